//! Certificate revocation lists (RFC 5280 sections 5 and 6.3).

pub(crate) mod crl;
pub(crate) mod distribution_points;
#[allow(clippy::module_inception)] // the name of its counterpart in Python
pub(crate) mod revocation;
