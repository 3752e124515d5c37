//! The class `_native.Document`.

use imdskit_core::document;
use pyo3::exceptions::{PyUnicodeEncodeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::errors::error;

/// Joins the names of a path with slashes, for the location of an error.
fn joined<'py>(path: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    intern!(path.py(), "/").call_method1(intern!(path.py(), "join"), (path,))
}

/// See `imdskit.backends.contract.Document`.
#[pyclass(frozen, module = "imdskit._native")]
pub struct Document {
    nodes: document::Document,
    /// Cache of the nodes that were rendered as JSON, by path. Each node has only one path, so there are never more entries than nodes.
    json: Py<PyDict>,
    text: Py<PyDict>,
}

#[pymethods]
impl Document {
    #[new]
    fn new(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        py.detach(|| document::Document::new(data))
            .map(|nodes| Self {
                nodes,
                json: PyDict::new(py).unbind(),
                text: PyDict::new(py).unbind(),
            })
            .map_err(|document::BadDocument(detail)| {
                let message = format!("The document is not strict JSON. {detail}");
                error(py, "SelectionError", "bad-document", &message, None)
            })
    }

    /// Return the node at a path. `form` is `json` or `text`.
    fn select<'py>(&self, py: Python<'py>, path: &Bound<'py, PyTuple>, form: &str) -> PyResult<Bound<'py, PyBytes>> {
        let (form, found) = match form {
            "json" => (document::Form::Json, self.json.bind(py)),
            "text" => (document::Form::Text, self.text.bind(py)),
            _ => return Err(PyValueError::new_err("`form` must be `json` or `text`")),
        };
        if let Some(remembered) = found.get_item(path)? {
            return Ok(remembered.cast_into::<PyBytes>()?);
        }
        let absent = || match joined(path) {
            Ok(location) => error(py, "SelectionError", "not-found", "There is no such node.", Some(location)),
            Err(failure) => failure,
        };
        let keys = path
            .iter()
            .map(|key| Ok(key.cast_into::<PyString>()?))
            .collect::<PyResult<Vec<_>>>()?;
        let mut names = Vec::with_capacity(keys.len());
        for key in &keys {
            match key.to_str() {
                Ok(name) => names.push(name),
                // The name has a lone surrogate, which no document contains.
                Err(failure) if failure.is_instance_of::<PyUnicodeEncodeError>(py) => return Err(absent()),
                Err(failure) => return Err(failure),
            }
        }
        let rendered = self
            .nodes
            .select(names, form)
            .map(|octets| PyBytes::new(py, &octets))
            .map_err(|refusal| match refusal {
                document::SelectError::NotFound => absent(),
                document::SelectError::LeafNeedsText => {
                    let message = "The node is a leaf, which has no JSON form.";
                    match joined(path) {
                        Ok(location) => error(py, "SelectionError", "leaf-needs-text", message, Some(location)),
                        Err(failure) => failure,
                    }
                }
            })?;
        // An instance of a subclass of `str` may claim to be equal to another text, so a path that contains one is not cached.
        if keys.iter().all(|key| key.is_exact_instance_of::<PyString>()) {
            found.set_item(path, &rendered)?;
        }
        Ok(rendered)
    }
}
