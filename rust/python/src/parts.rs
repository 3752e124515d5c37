//! `_native.parts`: single steps of the checker, for the runner of the third-party suites.

use imdskit_core::der::DerError;
use imdskit_core::parts as core;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::errors::refused;

/// Single steps of the checker. Not a way to verify anything.
#[pymodule(submodule)]
pub mod parts {
    #[pymodule_export]
    use super::{any, certificate, message, signature_fault, signed_message, verify};
}

fn malformed(py: Python<'_>, error: &DerError) -> PyErr {
    static ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = || {
        ERROR
            .import(py, "imdskit.errors", "DerError")?
            .call1((&error.message, error.offset, &error.field))
    };
    made().map_or_else(|failure| failure, PyErr::from_value)
}

#[pyfunction]
fn certificate(py: Python<'_>, der: &[u8]) -> PyResult<(Vec<(String, String)>, Vec<String>)> {
    core::certificate(der).map_err(|error| malformed(py, &error))
}

#[pyfunction]
fn any(py: Python<'_>, der: &[u8]) -> PyResult<()> {
    core::any(der).map_err(|error| malformed(py, &error))
}

#[pyfunction]
fn message(py: Python<'_>, der: &[u8]) -> PyResult<()> {
    core::message(der).map_err(|error| malformed(py, &error))
}

#[pyfunction]
fn signature_fault(py: Python<'_>, algorithm: &[u8], spki: &[u8], data: &[u8], bit_string: &[u8]) -> PyResult<Option<&'static str>> {
    core::signature_fault(algorithm, spki, data, bit_string).map_err(|error| malformed(py, &error))
}

#[pyfunction]
#[pyo3(signature = (scheme, hash, spki, message, signature, mask=None))]
fn verify(
    py: Python<'_>,
    scheme: &str,
    hash: &str,
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
    mask: Option<(String, usize)>,
) -> PyResult<bool> {
    let mask = mask.as_ref().map(|(hash, salt_length)| (hash.as_str(), *salt_length));
    core::verify(scheme, hash, mask, spki, message, signature).map_err(|error| malformed(py, &error))
}

type Parts<'py> = (Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>, Vec<Bound<'py, PyBytes>>);

/// Content, certificates and signers.
#[pyfunction]
fn signed_message<'py>(py: Python<'py>, der: &[u8], content: Option<&[u8]>, extra: Vec<Vec<u8>>, only_extra: bool) -> PyResult<Parts<'py>> {
    let octets = |many: &[Vec<u8>]| many.iter().map(|der| PyBytes::new(py, der)).collect();
    match core::signed_message(der, content, &extra, only_extra) {
        Ok(found) => Ok((
            PyBytes::new(py, &found.content),
            octets(&found.certificates),
            octets(&found.signers),
        )),
        Err(core::BadMessage::Der(error)) => Err(malformed(py, &error)),
        Err(core::BadMessage::Refused(refusal)) => Err(PyErr::from_value(refused(py, &refusal)?)),
    }
}
