//! The hot paths of imdskit. A module bears the name of the Python module that it mirrors; that module is the specification.

#![allow(dead_code)] // until the checker uses all of it

pub mod bucket;
mod certificate;
pub mod contract;
mod der;
mod digests;
pub mod document;
mod ecdsa;
mod oids;
pub mod reasons;
mod rsa;
mod signature;
