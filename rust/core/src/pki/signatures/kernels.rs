//! The AVX-512 kernels of `imdskit-multibuffer`, which verify RSA signatures. Without the feature `multibuffer`, this module contains
//! substitutes that support no key.

#[cfg(not(feature = "multibuffer"))]
pub(crate) use absent::{Job, Key, available, verify_many};
#[cfg(feature = "multibuffer")]
pub(crate) use imdskit_multibuffer::{Job, Key, available, verify_many};

#[cfg(not(feature = "multibuffer"))]
mod absent {
    /// A key type without values, because no key is supported.
    #[derive(Debug)]
    pub(crate) enum Key {}

    impl Key {
        pub(crate) const fn new(_modulus: &[u8]) -> Result<Self, ()> {
            Err(())
        }

        pub(crate) const fn octets(&self) -> usize {
            match *self {}
        }

        pub(crate) const fn public_operation(&self, _signature: &[u8]) -> Option<Vec<u8>> {
            match *self {}
        }

        pub(crate) const fn verify(&self, _signature: &[u8], _block: &[u8]) -> bool {
            match *self {}
        }
    }

    #[allow(dead_code)] // there is no job without a key
    pub(crate) struct Job<'a> {
        pub(crate) key: &'a Key,
        pub(crate) signature: &'a [u8],
        pub(crate) block: &'a [u8],
    }

    pub(crate) const fn available() -> bool {
        false
    }

    pub(crate) fn verify_many(jobs: &[Job<'_>], _verdicts: &mut [bool]) {
        if let Some(Job { key, .. }) = jobs.first() {
            match **key {}
        }
    }
}
