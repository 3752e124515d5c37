//! A DER reader (X.690) and object identifiers.

pub(crate) mod der;
pub(crate) mod oids;
pub(crate) mod values;
