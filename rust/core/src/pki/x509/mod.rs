//! Certificates (RFC 5280 section 4): their grammar, their rules, names and name constraints.

pub(crate) mod certificate;
pub(crate) mod extensions;
pub(crate) mod host_labels;
pub(crate) mod host_names;
pub(crate) mod keys;
pub(crate) mod name_constraints;
pub(crate) mod names;
pub(crate) mod parser;
pub(crate) mod rules;
pub(crate) mod uri;
