//! The exceptions of the package, which `imdskit.errors` defines.

use std::panic::{AssertUnwindSafe, catch_unwind};

use imdskit_core::reasons::Refusal;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// Creates an exception of the class with this name. `location` becomes its attribute of this name: the part of the input that is wrong.
pub(crate) fn error(py: Python<'_>, class: &str, code: &str, message: &str, location: Option<Bound<'_, PyAny>>) -> PyErr {
    let made = || {
        let details = PyDict::new(py);
        if let Some(location) = location {
            details.set_item(intern!(py, "location"), location)?;
        }
        py.import("imdskit.errors")?.getattr(class)?.call((code, message), Some(&details))
    };
    made().map_or_else(|failure| failure, PyErr::from_value)
}

/// Runs work without the interpreter's lock; see [`caught`].
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    caught(py, || py.detach(work))
}

/// Runs work, and turns a panic into a `BackendError`. A panic is a fault of the extension. Rust has already written the message of the
/// panic to standard error. The values that `work` shares with other threads stay valid: another thread can take a lock whose holder
/// panicked, and caches are replaced as a whole.
pub(crate) fn caught<T>(py: Python<'_>, work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let message = "The Rust extension failed unexpectedly, so there is no result.";
        error(py, "BackendError", "backend-panic", message, None)
    })
}

/// Creates the `VerificationError` for a refusal.
pub(crate) fn refused<'py>(py: Python<'py>, refusal: &Refusal) -> PyResult<Bound<'py, PyAny>> {
    static ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static REASON: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let reason = REASON.import(py, "imdskit.reasons", "Reason")?.call1((refusal.reason.code(),))?;
    let details = PyDict::new(py);
    details.set_item(intern!(py, "location"), &refusal.location)?;
    details.set_item(intern!(py, "detail"), &refusal.detail)?;
    ERROR
        .import(py, "imdskit.errors", "VerificationError")?
        .call((reason,), Some(&details))
}
