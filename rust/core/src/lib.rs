//! The hot paths of imdskit. A module bears the name of the Python module that it mirrors; that module is the specification.

pub mod bucket;
pub mod document;
