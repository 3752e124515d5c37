//! EMSA-PKCS1-v1_5 (RFC 8017 section 9.2): the one block that a signature has to give.

/// The hashes whose encoded blocks are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// DER of the `DigestInfo` of RFC 8017 section 9.2 note 1 up to the digest; the last octet of the object identifier and the lengths differ.
const fn prefix(outer: u8, oid: u8, digest: u8) -> [u8; 19] {
    [
        0x30, outer, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, oid, 0x05, 0x00, 0x04, digest,
    ]
}

impl Hash {
    /// Octets of a digest.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn prefix(self) -> [u8; 19] {
        match self {
            Self::Sha256 => prefix(0x31, 1, 0x20),
            Self::Sha384 => prefix(0x41, 2, 0x30),
            Self::Sha512 => prefix(0x51, 3, 0x40),
        }
    }
}

/// The encoded block of a digest, that fills `block`: 00 01 FF ... FF 00, the `DigestInfo`. False, and `block` not touched, when the digest
/// is not of the hash's length or fewer than the eight octets FF that RFC 8017 asks for would fit.
#[must_use]
pub fn encode(hash: Hash, digest: &[u8], block: &mut [u8]) -> bool {
    let prefix = hash.prefix();
    let tail = prefix.len() + digest.len();
    if digest.len() != hash.octets() || block.len() < tail + 11 {
        return false;
    }
    let start = block.len() - tail;
    block[0] = 0;
    block[1] = 1;
    block[2..start - 1].fill(0xff);
    block[start - 1] = 0;
    block[start..start + prefix.len()].copy_from_slice(&prefix);
    block[start + prefix.len()..].copy_from_slice(digest);
    true
}
