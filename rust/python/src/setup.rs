//! Reader of `imdskit.backends.contract.Setup`.

use imdskit_core::contract::{Limits, Setup};
use pyo3::prelude::*;

/// Copies attributes of a Python object to the members of a value that have the same names.
macro_rules! members {
    ($value:ident = $object:ident: $($name:ident),+) => {
        $($value.$name = $object.getattr(stringify!($name))?.extract()?;)+
    };
}

/// Reads the members by name. Returns an error if the object lacks one of them.
pub(crate) fn read(setup: &Bound<'_, PyAny>) -> PyResult<Setup> {
    let certificates = |name: &str| -> PyResult<Vec<Vec<u8>>> {
        setup
            .getattr(name)?
            .try_iter()?
            .map(|der| Ok(der?.extract::<&[u8]>()?.to_vec()))
            .collect()
    };
    let mut read = Setup::default();
    read.anchors = certificates("anchors")?;
    read.intermediates = certificates("intermediates")?;
    read.crls = certificates("crls")?;
    read.limits = read_limits(&setup.getattr("limits")?)?;
    members!(read = setup: names, skew, max_age, require_nonce, check_chain, check_times);
    members!(read = setup: require_vm_id, allow_common_name, min_rsa_bits, require_crl);
    Ok(read)
}

/// Reads an `imdskit.backends.contract.Limits`.
pub(crate) fn read_limits(limits: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let mut read = Limits::default();
    members!(read = limits: document_bytes, certificates, json_brackets, path_certificates, work);
    Ok(read)
}
