//! DER (X.690) and object identifiers.

pub mod der;
pub(crate) mod oids;
pub(crate) mod values;
