//! RSA public keys and signatures (RFC 8017). Verification only: nothing here is secret. The twin of `backends/python/rsa.py`.

/// `pss` is the DER of the parameters of an id-RSASSA-PSS key (RFC 4055 section 1.2); `only_pss` is true for every such key.
#[derive(Debug)]
pub(crate) struct RsaPublicKey {
    /// Big-endian, without leading zeros.
    pub(crate) modulus: Box<[u8]>,
    /// Big-endian, without leading zeros.
    pub(crate) exponent: Box<[u8]>,
    pub(crate) only_pss: bool,
    pub(crate) pss: Option<Box<[u8]>>,
}

impl RsaPublicKey {
    /// Neither number is zero; both without leading zeros.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8], only_pss: bool, pss: Option<&[u8]>) -> Self {
        Self { modulus: modulus.into(), exponent: exponent.into(), only_pss, pss: pss.map(Into::into) }
    }

    /// Of the modulus.
    pub(crate) fn bits(&self) -> usize {
        bit_length(&self.modulus)
    }

    /// Of the exponent.
    pub(crate) fn exponent_bits(&self) -> usize {
        bit_length(&self.exponent)
    }
}

/// Of a big-endian number without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| 8 * number.len() - first.leading_zeros() as usize)
}
