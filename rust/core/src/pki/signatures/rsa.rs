//! RSA public keys and signatures (RFC 8017). This module only verifies, so nothing in it is secret.
//!
//! If the processor supports AVX-512 IFMA, the kernels of `imdskit-multibuffer` verify the signatures of the service and its authorities.
//! Otherwise AWS-LC verifies these signatures. Neither supports small or huge keys or long exponents. AWS-LC also supports no hashes except
//! SHA-256, SHA-384 and SHA-512, and requires that the salt of RSASSA-PSS is as long as the digest. If neither supports a signature, this
//! module computes the public operation with big integers and checks the encoding of RFC 8017.

// Python counterpart: `pki/signatures/rsa.py`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::signature as aws;
use num_bigint::BigUint;

use crate::pki::signatures::digests::Hash;
use crate::pki::signatures::kernels;

/// Signatures with larger keys are refused, because the signer could otherwise decide how long a verification takes (CVE-2023-29409).
const MAX_MODULUS_BITS: usize = 16384;
const MAX_EXPONENT_BITS: usize = 64;
/// Maximum salt length that the parameters of RSASSA-PSS may specify.
pub(crate) const MAX_SALT: i64 = 2048;
/// Size in bytes of the longest encoded digest (see [`encode`]) that the kernels support.
pub(crate) const KERNEL_BYTES: usize = 512;

static KERNELS: AtomicBool = AtomicBool::new(true);

/// Sets whether the kernels are used when the processor supports them. Tests and measurements switch them off. No verdict depends on the
/// setting.
pub(crate) fn use_kernels(used: bool) {
    KERNELS.store(used, Ordering::Relaxed);
}

/// Returns whether the kernels are used.
pub(crate) fn uses_kernels() -> bool {
    KERNELS.load(Ordering::Relaxed) && kernels::available()
}

/// An RSA public key. `pss` is the DER of the parameters of an id-RSASSA-PSS key (RFC 4055 section 1.2). `only_pss` is true for every
/// id-RSASSA-PSS key.
#[derive(Debug)]
pub(crate) struct RsaPublicKey {
    /// Big-endian, without leading zeros.
    pub(crate) modulus: Box<[u8]>,
    /// Big-endian, without leading zeros.
    pub(crate) exponent: Box<[u8]>,
    pub(crate) only_pss: bool,
    pub(crate) pss: Option<Box<[u8]>>,
    /// The key as AWS-LC has parsed it for each of the [`ALGORITHMS`].
    prepared: [OnceLock<Option<aws::ParsedPublicKey>>; ALGORITHMS.len()],
    kernel: OnceLock<Option<kernels::Key>>,
}

impl RsaPublicKey {
    /// Creates a key. Both numbers must be positive and without leading zeros.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8], only_pss: bool, pss: Option<&[u8]>) -> Self {
        Self {
            modulus: modulus.into(),
            exponent: exponent.into(),
            only_pss,
            pss: pss.map(Into::into),
            prepared: Default::default(),
            kernel: OnceLock::new(),
        }
    }

    /// Returns the length of the modulus in bits.
    pub(crate) fn bits(&self) -> usize {
        bit_length(&self.modulus)
    }

    /// Returns the length of the exponent in bits.
    pub(crate) fn exponent_bits(&self) -> usize {
        bit_length(&self.exponent)
    }

    /// Returns whether the modulus is even.
    pub(crate) fn has_even_modulus(&self) -> bool {
        is_even(&self.modulus)
    }

    /// Returns whether the exponent is even.
    pub(crate) fn has_even_exponent(&self) -> bool {
        is_even(&self.exponent)
    }

    /// Returns the exponent if it has at most 64 bits.
    pub(crate) fn small_exponent(&self) -> Option<u64> {
        (self.exponent.len() <= 8).then(|| self.exponent.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
    }

    /// Returns the key in the form that the kernels use, or `None` if they do not support it.
    pub(crate) fn kernel(&self) -> Option<&kernels::Key> {
        if !uses_kernels() {
            return None;
        }
        let prepare = || {
            if *self.exponent == [1, 0, 1] {
                kernels::Key::new(&self.modulus).ok()
            } else {
                None
            }
        };
        self.kernel.get_or_init(prepare).as_ref()
    }

    /// Returns the key as AWS-LC has parsed it for one of its [`ALGORITHMS`], or `None` if AWS-LC does not support it.
    fn prepared(&self, slot: usize) -> Option<&aws::ParsedPublicKey> {
        let prepare = || {
            let takes_modulus = (2048..=8192).contains(&self.bits()) && !self.has_even_modulus();
            if !takes_modulus || !(2..=32).contains(&self.exponent_bits()) || self.has_even_exponent() {
                return None;
            }
            let key = aws::RsaPublicKeyComponents {
                n: &self.modulus,
                e: &self.exponent,
            };
            key.to_parsed_public_key(ALGORITHMS[slot]).ok()
        };
        self.prepared[slot].get_or_init(prepare).as_ref()
    }
}

/// The algorithms that AWS-LC supports: RSASSA-PKCS1-v1_5, and RSASSA-PSS with one hash for all purposes and a salt as long as the digest.
static ALGORITHMS: [&aws::RsaParameters; 6] = [
    &aws::RSA_PKCS1_2048_8192_SHA256,
    &aws::RSA_PKCS1_2048_8192_SHA384,
    &aws::RSA_PKCS1_2048_8192_SHA512,
    &aws::RSA_PSS_2048_8192_SHA256,
    &aws::RSA_PSS_2048_8192_SHA384,
    &aws::RSA_PSS_2048_8192_SHA512,
];

/// Returns the index of the algorithm in [`ALGORITHMS`], or `None` if AWS-LC does not support the hash.
fn slot(hash: Hash, pss: bool) -> Option<usize> {
    let place = match hash {
        Hash::Sha256 => 0,
        Hash::Sha384 => 1,
        Hash::Sha512 => 2,
        _ => return None,
    };
    Some(place + if pss { 3 } else { 0 })
}

/// Returns the length in bits of a big-endian number without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| 8 * number.len() - first.leading_zeros() as usize)
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last & 1 == 0)
}

/// Returns the DER of DigestInfo up to the digest (RFC 8017 section 9.2, note 1).
const fn digest_info(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        Hash::Sha224 => b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
        Hash::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        Hash::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
        Hash::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        Hash::Sha512_224 => b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x05\x05\x00\x04\x1c",
        Hash::Sha512_256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x06\x05\x00\x04\x20",
    }
}

/// Fills `block` with the EMSA-PKCS1-v1_5 encoding of a digest (section 9.2). Returns false if the block is too short.
pub(crate) fn encode(hash: Hash, digest: &[u8], block: &mut [u8]) -> bool {
    let info = digest_info(hash);
    let Some(padding) = block.len().checked_sub(info.len() + digest.len() + 3).filter(|octets| *octets >= 8) else {
        return false;
    };
    let (head, tail) = block.split_at_mut(2 + padding);
    head[..2].copy_from_slice(&[0x00, 0x01]);
    head[2..].fill(0xFF);
    tail[0] = 0x00;
    tail[1..=info.len()].copy_from_slice(info);
    tail[1 + info.len()..].copy_from_slice(digest);
    true
}

/// Verifies a signature with RSASSA-PKCS1-v1_5 (section 8.2.2).
pub(crate) fn verify_pkcs1v15(key: &RsaPublicKey, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    if let Some(kernel) = key.kernel() {
        let mut block = [0; KERNEL_BYTES];
        let block = &mut block[..kernel.octets()];
        return encode(hash, hash.digest(&[message]).as_ref(), block) && kernel.verify(signature, block);
    }
    if let Some(prepared) = slot(hash, false).and_then(|slot| key.prepared(slot)) {
        return prepared.verify_sig(message, signature).is_ok();
    }
    let mut block = vec![0; key.bits().div_ceil(8)];
    encode(hash, hash.digest(&[message]).as_ref(), &mut block)
        && public_operation(key, signature).is_some_and(|number| number == BigUint::from_bytes_be(&block))
}

/// Verifies a signature with RSASSA-PSS (sections 8.1.2 and 9.1.2) and MGF1. `salt_length` is in bytes.
pub(crate) fn verify_pss(key: &RsaPublicKey, hash: Hash, mgf_hash: Hash, salt_length: usize, message: &[u8], signature: &[u8]) -> bool {
    let em_bits = key.bits().saturating_sub(1);
    let em_length = em_bits.div_ceil(8);
    if em_length < hash.size() + salt_length + 2 {
        return false;
    }
    let plain = hash == mgf_hash && salt_length == hash.size();
    let octets = if let Some(kernel) = key.kernel() {
        kernel.public_operation(signature)
    } else if let Some(prepared) = slot(hash, true).filter(|_| plain).and_then(|slot| key.prepared(slot)) {
        return prepared.verify_sig(message, signature).is_ok();
    } else {
        public_operation(key, signature).map(|number| number.to_bytes_be())
    };
    let Some(octets) = octets else {
        return false;
    };
    let octets = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
    if bit_length(octets) > em_bits {
        return false;
    }
    let mut block = vec![0; em_length - octets.len()];
    block.extend_from_slice(octets);
    let (masked, rest) = block.split_at(em_length - hash.size() - 1);
    let (h, trailer) = rest.split_at(hash.size());
    let mut db: Vec<u8> = masked
        .iter()
        .zip(mgf1(mgf_hash, h, masked.len()))
        .map(|(octet, mask)| octet ^ mask)
        .collect();
    // The leading bits beyond the size of the modulus must be zero, and the mask is not applied to them (section 9.1.2 steps 6 and 9).
    if let Some(first) = db.first_mut() {
        *first &= 0xFF_u8 >> (8 * em_length - em_bits);
    }
    // DB consists of zeros, a byte with the value 1, and the salt (step 10).
    let (padding, salt) = db.split_at(db.len() - salt_length);
    let Some((one, zeros)) = padding.split_last() else {
        return false;
    };
    if trailer != [0xBC] || *one != 1 || zeros.iter().any(|octet| *octet != 0) {
        return false;
    }
    let digest = hash.digest(&[message]);
    hash.digest(&[&[0; 8], digest.as_ref(), salt]).as_ref() == h
}

/// Applies RSAVP1 (section 5.2.2). Returns `None` if the signature is not exactly as long as the modulus, or if the key or the number that
/// the signature encodes is out of range.
fn public_operation(key: &RsaPublicKey, signature: &[u8]) -> Option<BigUint> {
    if signature.len() != key.modulus.len() || key.bits() > MAX_MODULUS_BITS || key.exponent_bits() > MAX_EXPONENT_BITS {
        return None;
    }
    let (number, modulus) = (BigUint::from_bytes_be(signature), BigUint::from_bytes_be(&key.modulus));
    (number < modulus).then(|| number.modpow(&BigUint::from_bytes_be(&key.exponent), &modulus))
}

/// Generates a mask (appendix B.2.1).
fn mgf1(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + hash.size());
    for counter in 0_u32.. {
        if mask.len() >= length {
            break;
        }
        mask.extend_from_slice(hash.digest(&[seed, &counter.to_be_bytes()]).as_ref());
    }
    mask.truncate(length);
    mask
}
