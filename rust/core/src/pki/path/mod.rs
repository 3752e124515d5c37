//! Certification path building and validation (RFC 5280 section 6), within a work budget.

pub(crate) mod budget;
pub(crate) mod building;
pub(crate) mod policies;
pub(crate) mod pool;
pub(crate) mod signature_cache;
pub(crate) mod validation;
