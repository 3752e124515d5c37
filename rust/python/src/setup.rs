//! Reader of `imdskit.backends.contract.Setup`.

use imdskit_core::contract::{Limits, Setup};
use pyo3::prelude::*;

/// Reads the members by name. Returns an error if the object lacks one of them.
pub(crate) fn read(setup: &Bound<'_, PyAny>) -> PyResult<Setup> {
    let limits = setup.getattr("limits")?;
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
    read.names = setup.getattr("names")?.extract()?;
    read.limits = read_limits(&limits)?;
    read.skew = setup.getattr("skew")?.extract()?;
    read.max_age = setup.getattr("max_age")?.extract()?;
    read.require_nonce = setup.getattr("require_nonce")?.extract()?;
    read.check_chain = setup.getattr("check_chain")?.extract()?;
    read.check_times = setup.getattr("check_times")?.extract()?;
    read.require_vm_id = setup.getattr("require_vm_id")?.extract()?;
    read.allow_common_name = setup.getattr("allow_common_name")?.extract()?;
    read.min_rsa_bits = setup.getattr("min_rsa_bits")?.extract()?;
    read.crls = certificates("crls")?;
    read.require_crl = setup.getattr("require_crl")?.extract()?;
    Ok(read)
}

/// Reads an `imdskit.backends.contract.Limits`.
pub(crate) fn read_limits(limits: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let mut read = Limits::default();
    read.document_bytes = limits.getattr("document_bytes")?.extract()?;
    read.certificates = limits.getattr("certificates")?.extract()?;
    read.json_brackets = limits.getattr("json_brackets")?.extract()?;
    read.path_certificates = limits.getattr("path_certificates")?.extract()?;
    read.work = limits.getattr("work")?.extract()?;
    Ok(read)
}
