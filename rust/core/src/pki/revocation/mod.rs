//! Certificate revocation lists (RFC 5280 sections 5 and 6.3).

pub(crate) mod crl;
pub(crate) mod distribution_points;
#[allow(clippy::module_inception)] // its Python counterpart has the same name
pub(crate) mod revocation;
