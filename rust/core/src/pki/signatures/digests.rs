//! Message digests by object identifier (RFC 3370 section 2, RFC 5754 section 2, RFC 8017 appendix B.1).

// Python counterpart: `pki/signatures/digests.py`.

use aws_lc_rs::digest as aws;

use crate::asn1::oids;
use crate::pki::signatures::sha512_224;

/// A hash that is known. `signature.rs` says which of them are strong enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512_224,
    Sha512_256,
}

impl Hash {
    /// By the object identifier of the digest.
    pub(crate) fn named(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            oids::SHA1 => Self::Sha1,
            oids::SHA224 => Self::Sha224,
            oids::SHA256 => Self::Sha256,
            oids::SHA384 => Self::Sha384,
            oids::SHA512 => Self::Sha512,
            oids::SHA512_224 => Self::Sha512_224,
            oids::SHA512_256 => Self::Sha512_256,
            _ => return None,
        })
    }

    /// Such as `sha256` or `sha512_256`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha512_224 => "sha512_224",
            Self::Sha512_256 => "sha512_256",
        }
    }

    /// Octets of a digest.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 => 28,
            Self::Sha256 | Self::Sha512_256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Digest of the concatenation of `parts`.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Digest {
        let algorithm = match self {
            Self::Sha1 => &aws::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &aws::SHA224,
            Self::Sha256 => &aws::SHA256,
            Self::Sha384 => &aws::SHA384,
            Self::Sha512 => &aws::SHA512,
            Self::Sha512_256 => &aws::SHA512_256,
            Self::Sha512_224 => return Digest::of(&sha512_224::digest(parts)),
        };
        if let [one] = parts {
            return Digest::of(aws::digest(algorithm, one).as_ref());
        }
        let mut context = aws::Context::new(algorithm);
        for part in parts {
            context.update(part);
        }
        Digest::of(context.finish().as_ref())
    }
}

/// A digest of any of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest {
    octets: [u8; 64],
    size: usize,
}

impl Digest {
    fn of(octets: &[u8]) -> Self {
        let mut digest = Self {
            octets: [0; 64],
            size: octets.len(),
        };
        digest.octets[..octets.len()].copy_from_slice(octets);
        digest
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.size]
    }
}
