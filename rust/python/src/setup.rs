//! `imdskit.backends.contract.Setup`, read.

use imdskit_core::contract::{Limits, Setup};
use pyo3::prelude::*;

/// Members are read by their names; what is no `Setup` has not all of them.
pub(crate) fn read(setup: &Bound<'_, PyAny>) -> PyResult<Setup> {
    let limits = setup.getattr("limits")?;
    let certificates = |name: &str| -> PyResult<Vec<Vec<u8>>> {
        setup
            .getattr(name)?
            .try_iter()?
            .map(|der| Ok(der?.extract::<&[u8]>()?.to_vec()))
            .collect()
    };
    Ok(Setup {
        anchors: certificates("anchors")?,
        intermediates: certificates("intermediates")?,
        names: setup.getattr("names")?.extract()?,
        limits: read_limits(&limits)?,
        skew: setup.getattr("skew")?.extract()?,
        max_age: setup.getattr("max_age")?.extract()?,
        require_nonce: setup.getattr("require_nonce")?.extract()?,
        check_chain: setup.getattr("check_chain")?.extract()?,
        check_times: setup.getattr("check_times")?.extract()?,
        require_vm_id: setup.getattr("require_vm_id")?.extract()?,
        allow_common_name: setup.getattr("allow_common_name")?.extract()?,
        min_rsa_bits: setup.getattr("min_rsa_bits")?.extract()?,
        crls: certificates("crls")?,
        require_crl: setup.getattr("require_crl")?.extract()?,
    })
}

/// `imdskit.backends.contract.Limits`.
pub(crate) fn read_limits(limits: &Bound<'_, PyAny>) -> PyResult<Limits> {
    Ok(Limits {
        document_bytes: limits.getattr("document_bytes")?.extract()?,
        certificates: limits.getattr("certificates")?.extract()?,
        json_brackets: limits.getattr("json_brackets")?.extract()?,
        path_certificates: limits.getattr("path_certificates")?.extract()?,
        work: limits.getattr("work")?.extract()?,
    })
}
