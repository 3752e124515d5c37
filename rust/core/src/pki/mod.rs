//! Certificates, certification paths, revocation lists and CMS messages (RFC 5280, RFC 5652). Nothing here is specific to attested
//! documents.

pub(crate) mod cms;
pub(crate) mod path;
pub(crate) mod revocation;
pub(crate) mod signatures;
pub(crate) mod x509;
