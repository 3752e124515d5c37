//! The hot paths of imdskit. A module bears the name of the Python module that it mirrors; that module is the specification.

#![allow(dead_code)] // until the checker uses all of it

pub mod bucket;
mod certificate;
pub mod claims;
mod cms;
pub mod contract;
mod crl;
pub mod der;
mod digests;
mod distribution_points;
pub mod document;
mod ecdsa;
mod envelope;
mod extensions;
mod keys;
mod names;
mod oids;
pub mod parts;
mod profile;
pub mod reasons;
mod rsa;
mod signature;
mod strict_json;
mod x509;
