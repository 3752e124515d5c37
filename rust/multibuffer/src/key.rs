//! RSA public keys with the exponent 65537, prepared for the kernels.

use std::error::Error;
use std::fmt;

use crate::cpu::Ifma;
use crate::limbs::{Modulus, Number, low_part};

/// A modulus of 2048, 3072 or 4096 bits, prepared for the kernels. The public exponent is 65537.
///
/// A value of this type proves that this processor can run the kernels.
#[derive(Clone, Debug)]
pub struct Key {
    pub(crate) ifma: Ifma,
    octets: Box<[u8]>,
    pub(crate) modulus: Prepared,
}

/// The modulus, with one variant for each length. The parameter of `Modulus` is the number of blocks of eight 52-bit limbs.
#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    Bits2048(Box<Modulus<5>>),
    Bits3072(Box<Modulus<8>>),
    Bits4096(Box<Modulus<10>>),
}

/// The reason why no [`Key`] can be created. In every case another library can still verify the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The processor or the operating system lacks AVX-512 F or IFMA; see [`crate::available`].
    Unavailable,
    /// The modulus does not have exactly 2048, 3072 or 4096 bits, or it has leading zero bytes.
    Length,
    /// The modulus is even, but every RSA modulus is odd.
    Even,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "this processor cannot run the kernels: they need AVX-512 F and IFMA",
            Self::Length => "the modulus must have exactly 2048, 3072 or 4096 bits, without leading zero bytes",
            Self::Even => "the modulus is even",
        })
    }
}

impl Error for KeyError {}

impl Key {
    /// Prepares a modulus. `modulus` is big-endian, without leading zeros.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new(modulus: &[u8]) -> Result<Self, KeyError> {
        let ifma = Ifma::detect().ok_or(KeyError::Unavailable)?;
        check(modulus)?;
        let sized = match modulus.len() {
            256 => Prepared::Bits2048(Box::new(Modulus::new(modulus, |power, times, modulus| {
                ifma.square(&power, times, modulus)
            }))),
            384 => Prepared::Bits3072(Box::new(Modulus::new(modulus, |power, times, modulus| {
                ifma.square(&power, times, modulus)
            }))),
            _ => Prepared::Bits4096(Box::new(Modulus::new(modulus, |power, times, modulus| {
                ifma.square(&power, times, modulus)
            }))),
        };
        Ok(Self {
            ifma,
            octets: modulus.into(),
            modulus: sized,
        })
    }

    /// Returns the length of the modulus in bytes: 256, 384 or 512. A signature and an encoded message (RFC 8017) have the same length.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Computes `RSAVP1` (RFC 8017 section 5.2.2): `signature`^65537 modulo the modulus. The result is as long as the modulus, including
    /// leading zeros.
    ///
    /// Returns `None` if the signature does not have the length of the modulus or is not less than the modulus. This method does not check
    /// the resulting block. For RSASSA-PSS, the caller checks it.
    #[must_use]
    pub fn public_operation(&self, signature: &[u8]) -> Option<Vec<u8>> {
        fn power<const NB: usize>(ifma: Ifma, modulus: &Modulus<NB>, signature: &[u8]) -> Vec<u8> {
            let mut octets = vec![0; signature.len()];
            ifma.power(&Number::from_be(signature), modulus).to_be(&mut octets);
            octets
        }
        self.admits(signature).then(|| match &self.modulus {
            Prepared::Bits2048(modulus) => power(self.ifma, modulus, signature),
            Prepared::Bits3072(modulus) => power(self.ifma, modulus, signature),
            Prepared::Bits4096(modulus) => power(self.ifma, modulus, signature),
        })
    }

    /// Returns whether the signature produces exactly `block`, the encoded message.
    ///
    /// The block is compared as a whole; nothing is extracted from the result of the computation. Returns false if the signature or the
    /// block does not have the length of the modulus, or if the signature is not less than the modulus.
    #[must_use]
    pub fn verify(&self, signature: &[u8], block: &[u8]) -> bool {
        fn gives<const NB: usize>(ifma: Ifma, modulus: &Modulus<NB>, signature: &[u8], block: &[u8]) -> bool {
            let s = Number::from_be(signature);
            match low_part(block) {
                Some(low) if low.limbs().iter().skip(2 * NB).all(|limb| *limb == 0) && modulus.is_used_again() => {
                    ifma.verify(&s, &low, modulus, ifma.comparison(modulus))
                }
                _ => ifma.power(&s, modulus) == Number::from_be(block),
            }
        }
        self.admits(signature)
            && block.len() == self.octets.len()
            && match &self.modulus {
                Prepared::Bits2048(modulus) => gives(self.ifma, modulus, signature, block),
                Prepared::Bits3072(modulus) => gives(self.ifma, modulus, signature, block),
                Prepared::Bits4096(modulus) => gives(self.ifma, modulus, signature, block),
            }
    }

    /// Returns whether a signature has the length of the modulus and is less than it.
    pub(crate) fn admits(&self, signature: &[u8]) -> bool {
        signature.len() == self.octets.len() && *signature < *self.octets
    }
}

/// Checks that a modulus is odd, has a supported length, and has its uppermost bit set.
pub(crate) fn check(modulus: &[u8]) -> Result<(), KeyError> {
    match modulus {
        [first, .., last] if matches!(modulus.len(), 256 | 384 | 512) && first >> 7 == 1 => {
            if last & 1 == 1 {
                Ok(())
            } else {
                Err(KeyError::Even)
            }
        }
        _ => Err(KeyError::Length),
    }
}
