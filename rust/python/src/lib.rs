//! The extension module `imdskit._native`: the crate `imdskit-core` in Python's clothes. No logic.

use imdskit_core::{bucket, document};
use pyo3::exceptions::{PyOverflowError, PyUnicodeEncodeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

/// One of the package's own exceptions, which are defined once, in `imdskit.errors`. `path` is where it happened.
fn error(py: Python<'_>, class: &str, code: &str, message: &str, path: Option<&Bound<'_, PyTuple>>) -> PyErr {
    let made = || {
        let details = PyDict::new(py);
        if let Some(path) = path {
            details.set_item(
                intern!(py, "location"),
                intern!(py, "/").call_method1(intern!(py, "join"), (path,))?,
            )?;
        }
        py.import("imdskit.errors")?.getattr(class)?.call((code, message), Some(&details))
    };
    made().map_or_else(|failure| failure, PyErr::from_value)
}

/// See `imdskit.backends.contract.Bucket`.
#[pyclass(frozen, module = "imdskit._native")]
struct Bucket(bucket::Bucket);

#[pymethods]
impl Bucket {
    #[new]
    fn new(rate: &Bound<'_, PyAny>, per_ns: &Bound<'_, PyAny>, burst: &Bound<'_, PyAny>) -> PyResult<Self> {
        let refused = || {
            let message = "Rate, period and burst are at least 1, and burst times period is below 2**63.";
            error(rate.py(), "UsageError", "bad-argument", message, None)
        };
        // A Python integer may be negative, or of any size: then it is out of range here as well.
        let natural = |number: &Bound<'_, PyAny>| match number.extract::<u64>() {
            Err(failure) if failure.is_instance_of::<PyOverflowError>(number.py()) => Err(refused()),
            other => other,
        };
        bucket::Bucket::new(natural(rate)?, natural(per_ns)?, natural(burst)?)
            .map(Self)
            .map_err(|bucket::BadArgument| refused())
    }

    /// Take one token: 0, or the nanoseconds until one will be there.
    fn take(&self, now_ns: i64) -> u64 {
        self.0.take(now_ns)
    }
}

/// See `imdskit.backends.contract.Document`.
#[pyclass(frozen, module = "imdskit._native")]
struct Document(document::Document);

#[pymethods]
impl Document {
    #[new]
    fn new(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        py.detach(|| document::Document::new(data))
            .map(Self)
            .map_err(|document::BadDocument(detail)| {
                let message = format!("The document is not strict JSON. {detail}");
                error(py, "SelectionError", "bad-document", &message, None)
            })
    }

    /// The node at a path, as `json` or as `text`.
    fn select<'py>(&self, py: Python<'py>, path: &Bound<'py, PyTuple>, form: &str) -> PyResult<Bound<'py, PyBytes>> {
        let form = match form {
            "json" => document::Form::Json,
            "text" => document::Form::Text,
            _ => return Err(PyValueError::new_err("form is neither json nor text")),
        };
        let absent = || error(py, "SelectionError", "not-found", "There is no such node.", Some(path));
        let mut keys = Vec::with_capacity(path.len());
        for key in path {
            match key.cast::<PyString>()?.to_str() {
                Ok(key) => keys.push(key.to_owned()),
                // Half of a surrogate pair, which is in no document.
                Err(failure) if failure.is_instance_of::<PyUnicodeEncodeError>(py) => return Err(absent()),
                Err(failure) => return Err(failure),
            }
        }
        self.0
            .select(keys.iter().map(String::as_str), form)
            .map(|found| PyBytes::new(py, found))
            .map_err(|refusal| match refusal {
                document::SelectError::NotFound => absent(),
                document::SelectError::LeafNeedsText => {
                    let message = "The node is a leaf, which has no JSON form.";
                    error(py, "SelectionError", "leaf-needs-text", message, Some(path))
                }
            })
    }
}

#[pymodule]
#[pyo3(name = "_native")]
mod native {
    #[pymodule_export]
    use super::{Bucket, Document};

    /// Number of the contract that this extension keeps (`imdskit.backends.contract.CONTRACT`).
    #[pymodule_export]
    const CONTRACT: u32 = 1;
}
