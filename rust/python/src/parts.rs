//! The module `_native.parts`: single steps of the checker, for the runner of the third-party test suites.

#![allow(clippy::needless_pass_by_value)] // PyO3 passes arguments by value

use imdskit_core::parts as core;
use imdskit_core::parts::DerError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::errors::refused;
use crate::setup;

/// Single steps of the checker, for tests only. Do not verify documents with them, because each step omits checks.
#[pymodule(submodule)]
pub mod parts {
    #[pymodule_export]
    use super::{any, certificate, message, path, signature_fault, signed_message, verify};
}

fn malformed(py: Python<'_>, error: &DerError) -> PyErr {
    static ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = || {
        ERROR
            .import(py, "imdskit.errors", "DerError")?
            .call1((&*error.message, error.offset, &error.field))
    };
    made().map_or_else(|failure| failure, PyErr::from_value)
}

#[pyfunction]
#[allow(clippy::type_complexity)] // the caller destructures it
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
    core::verify_signature(algorithm, spki, data, bit_string)
        .map(Result::err)
        .map_err(|error| malformed(py, &error))
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

/// Return content, certificates and signers of a message.
#[pyfunction]
fn signed_message<'py>(py: Python<'py>, der: &[u8], content: Option<&[u8]>, extra: Vec<Vec<u8>>, only_extra: bool) -> PyResult<Parts<'py>> {
    let bytes = |many: &[Vec<u8>]| many.iter().map(|der| PyBytes::new(py, der)).collect();
    match core::signed_message(der, content, &extra, only_extra) {
        Ok(found) => Ok((PyBytes::new(py, &found.content), bytes(&found.certificates), bytes(&found.signers))),
        Err(bad) => Err(bad_message(py, &bad)),
    }
}

fn bad_message(py: Python<'_>, bad: &core::BadMessage) -> PyErr {
    match bad {
        core::BadMessage::Der(error) => malformed(py, error),
        core::BadMessage::Refused(refusal) => refused(py, refusal).map_or_else(|failure| failure, PyErr::from_value),
    }
}

/// The inputs of a path search that `imdskit.pki.path.validation.Inputs` does not contain, and the policies. The caller passes them as a
/// mapping.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Rules<'py> {
    /// The user-initial-policy-set. `None` stands for anyPolicy alone.
    policies: Option<Vec<String>>,
    /// An `imdskit.backends.contract.Limits`.
    limits: Bound<'py, PyAny>,
    min_rsa_bits: u32,
    accept_weak: bool,
    require_lists: bool,
}

/// Build and validate a path. `inputs` is an `imdskit.pki.path.validation.Inputs`, but its `policies` are ignored. Those of `rules` are
/// used instead.
#[pyfunction]
fn path(
    leaf: &[u8],
    anchors: Vec<Vec<u8>>,
    intermediates: Vec<Vec<u8>>,
    lists: Option<Vec<Vec<u8>>>,
    inputs: &Bound<'_, PyAny>,
    rules: Rules<'_>,
) -> PyResult<()> {
    let purpose: Option<String> = inputs.getattr("purpose")?.extract()?;
    let names: Bound<'_, PyAny> = inputs.getattr("key_usage")?;
    let names = names.try_iter()?.map(|name| name?.extract()).collect::<PyResult<Vec<String>>>()?;
    let policies = |policies: Vec<String>| policies.iter().map(|dotted| core::oid_contents(dotted).into()).collect();
    let mut asked = core::Inputs::new(inputs.getattr("at")?.extract()?);
    asked.purpose = purpose.map(|dotted| core::oid_contents(&dotted).into());
    asked.key_usage = core::key_usage(&names);
    asked.policies = rules.policies.map(policies);
    members!(asked = inputs: explicit_policy, inhibit_mapping, inhibit_any, max_path_length);
    members!(asked = inputs: anchor_validity, anchor_authority, anchor_constraints, any_purpose, common_names);
    let strength = core::Strength {
        min_rsa_bits: rules.min_rsa_bits,
        accept_weak: rules.accept_weak,
    };
    let lists = lists.as_deref().map(|lists| (lists, rules.require_lists));
    let limits = setup::read_limits(&rules.limits)?;
    core::path(leaf, &anchors, &intermediates, lists, &asked, &limits, strength).map_err(|bad| bad_message(inputs.py(), &bad))
}
