//! The extension module `imdskit._native`: the crate `imdskit-core` in Python's clothes. No logic.

use imdskit_core::{bucket, document};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Raise one of the package's own exceptions, which are defined once, in `imdskit.errors`.
fn raise(py: Python<'_>, class: &str, code: &str, message: &str) -> PyErr {
    let made = py
        .import("imdskit.errors")
        .and_then(|errors| errors.getattr(class))
        .and_then(|class| class.call1((code, message)));
    match made {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// See `imdskit.backends.contract.Bucket`.
#[pyclass(frozen, module = "imdskit._native")]
struct Bucket(bucket::Bucket);

#[pymethods]
impl Bucket {
    #[new]
    fn new(py: Python<'_>, rate: i128, per_ns: i128, burst: i128) -> PyResult<Self> {
        let made = match (u64::try_from(rate), u64::try_from(per_ns), u64::try_from(burst)) {
            (Ok(rate), Ok(per_ns), Ok(burst)) => bucket::Bucket::new(rate, per_ns, burst),
            _ => Err(bucket::BadArgument),
        };
        made.map(Self).map_err(|bucket::BadArgument| {
            let message = "Rate, period and burst are at least 1, and burst times period is below 2**63.";
            raise(py, "UsageError", "bad-argument", message)
        })
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
                raise(py, "SelectionError", "bad-document", &message)
            })
    }

    /// The node at a path, as `json` or as `text`.
    #[allow(clippy::needless_pass_by_value)] // what Python gives is owned
    fn select<'py>(&self, py: Python<'py>, path: Vec<String>, form: &str) -> PyResult<Bound<'py, PyBytes>> {
        let form = match form {
            "json" => document::Form::Json,
            "text" => document::Form::Text,
            _ => return Err(PyValueError::new_err("form is neither json nor text")),
        };
        self.0
            .select(&path, form)
            .map(|found| PyBytes::new(py, found))
            .map_err(|error| match error {
                document::SelectError::NotFound => raise(py, "SelectionError", "not-found", "There is no such node."),
                document::SelectError::LeafNeedsText => raise(
                    py,
                    "SelectionError",
                    "leaf-needs-text",
                    "The node is a leaf, which has no JSON form.",
                ),
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
