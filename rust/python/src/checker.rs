//! The class `_native.Checker` and the classes of its results.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use imdskit_core::batch::{Batch, Times};
use imdskit_core::columns::{Columns, TEXTS, TooLong};
use imdskit_core::forks::ForkAware;
use imdskit_core::{checker, claims::Claims};
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PySlice, PyString, PyTuple, PyType};

use crate::errors::{caught, detached, error, refused};
use crate::packed::{self, Packed};
use crate::setup;

/// See `imdskit.backends.contract.Checker`.
#[pyclass(frozen, module = "imdskit._native")]
pub struct Checker(Arc<ForkAware>);

#[pymethods]
impl Checker {
    #[new]
    fn new(setup: &Bound<'_, PyAny>) -> PyResult<Self> {
        let setting = setup::read(setup)?;
        detached(setup.py(), || ForkAware::new(setting))?
            .map(|made| Self(Arc::new(made)))
            .map_err(|bad| {
                let location = PyString::new(setup.py(), &bad.location).into_any();
                error(setup.py(), "TrustError", "bad-trust", &bad.message, Some(location))
            })
    }

    /// Verify one document.
    #[pyo3(signature = (document, at, nonce=None))]
    fn check(&self, py: Python<'_>, document: &[u8], at: i64, nonce: Option<&Bound<'_, PyString>>) -> PyResult<Signed> {
        let nonce = nonce.map(nonce_bytes).transpose()?;
        match detached(py, || self.0.get().check(document, at, nonce.as_deref()))? {
            Ok(signed) => Ok(Signed::new(signed)),
            Err(refusal) => Err(PyErr::from_value(refused(py, &refusal)?)),
        }
    }

    /// Verify many documents on at most `threads` threads. The default is the number of processors. A short list of documents uses fewer
    /// threads.
    #[pyo3(signature = (documents, at, threads=None))]
    fn check_many(
        &self,
        py: Python<'_>,
        documents: &Bound<'_, PyAny>,
        at: &Bound<'_, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Verdicts> {
        let threads = number_of(threads)?;
        let documents = documents
            .try_iter()?
            .map(|document| Ok(document?.extract()?))
            .collect::<PyResult<Vec<PyBackedBytes>>>()?;
        let at = times(at, documents.len(), |at| at.extract())?;
        let checker = Arc::clone(&self.0);
        Ok(Verdicts(detached(py, || Batch::check(checker, documents, at, threads))?))
    }

    /// Verify the documents of a column; see `imdskit.backends.contract.PackedDocuments`.
    #[pyo3(signature = (documents, at, threads=None))]
    fn check_column<'py>(
        &self,
        documents: &Bound<'py, PyAny>,
        at: &Bound<'py, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, threads) = (documents.py(), number_of(threads)?);
        let column = Packed::read(documents)?;
        let at = times(at, column.len(), packed::integers)?;
        let checker = detached(py, || self.0.get())?;
        let (mut verdicts, mut bytes, mut start) = (Vec::new(), Vec::new(), 0);
        while start < column.len() {
            let part = column.copy(start, &mut bytes)?;
            let times = at.part(start..start + part.len());
            start += part.len();
            verdicts.push(detached(py, || {
                let documents: Vec<&[u8]> = part.into_iter().map(|range| &bytes[range]).collect();
                checker.check_many(&documents, times, threads)
            })?);
        }
        columns(py, || Columns::of(&checker, &verdicts))
    }
}

/// Reads the time of the check in Unix seconds: either one number for all documents, or a sequence with one number for each document. The
/// function `each` reads the sequence.
fn times<'py>(
    at: &Bound<'py, PyAny>,
    documents: usize,
    each: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<Vec<i64>>,
) -> PyResult<Times<'static>> {
    if let Ok(at) = at.extract() {
        return Ok(Times::One(at));
    }
    let all = each(at)?;
    if all.len() != documents {
        return Err(PyValueError::new_err("the number of times must equal the number of documents"));
    }
    Ok(Times::Each(all.into()))
}

/// Returns the number of threads that the caller requested, or the number of processors.
fn number_of(threads: Option<usize>) -> PyResult<NonZeroUsize> {
    match threads {
        Some(threads) => NonZeroUsize::new(threads).ok_or_else(|| PyValueError::new_err("`threads` must be at least 1")),
        None => Ok(processors()),
    }
}

/// Returns the number of processors. The number is determined only once, because determining it takes as long as verifying ten documents.
fn processors() -> NonZeroUsize {
    static PROCESSORS: OnceLock<NonZeroUsize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

/// Returns the bytes of a nonce. A lone surrogate is encoded as bytes that are not valid UTF-8. A nonce that contains one therefore never
/// equals the nonce of a document.
fn nonce_bytes(nonce: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    match nonce.to_str() {
        Ok(text) => Ok(text.as_bytes().to_vec()),
        Err(_) => nonce
            .call_method1(intern!(nonce.py(), "encode"), ("utf-8", "surrogatepass"))?
            .extract(),
    }
}

/// See `imdskit.backends.contract.Signed`. Members are converted to Python objects on first access.
#[pyclass(frozen, module = "imdskit._native")]
pub struct Signed {
    found: checker::Signed,
    content: PyOnceLock<Py<PyBytes>>,
    claims: PyOnceLock<Py<PyAny>>,
    chain: PyOnceLock<Py<PyTuple>>,
}

impl Signed {
    const fn new(found: checker::Signed) -> Self {
        Self {
            found,
            content: PyOnceLock::new(),
            claims: PyOnceLock::new(),
            chain: PyOnceLock::new(),
        }
    }
}

#[pymethods]
impl Signed {
    #[getter]
    fn content(&self, py: Python<'_>) -> Py<PyBytes> {
        let made = || PyBytes::new(py, self.found.content()).unbind();
        self.content.get_or_init(py, made).clone_ref(py)
    }

    #[getter]
    fn claims(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let made = || claims(py, &self.found.claims()).map(Bound::unbind);
        self.claims.get_or_try_init(py, made).map(|claims| claims.clone_ref(py))
    }

    #[getter]
    fn label(&self) -> &str {
        self.found.label()
    }

    #[getter]
    fn name(&self) -> &str {
        self.found.name()
    }

    #[getter]
    fn chain(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        let made = || PyTuple::new(py, self.found.chain().map(|der| PyBytes::new(py, der))).map(Bound::unbind);
        self.chain.get_or_try_init(py, made).map(|chain| chain.clone_ref(py))
    }
}

/// Converts claims to `imdskit.backends.contract.Claims`.
fn claims<'py>(py: Python<'py>, found: &Claims<&str>) -> PyResult<Bound<'py, PyAny>> {
    static CLAIMS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let plan = found.plan.map(|[name, product, publisher]| (name, product, publisher));
    CLAIMS.import(py, "imdskit.backends.contract", "Claims")?.call1((
        found.vm_id,
        found.nonce,
        found.created_on,
        found.expires_on,
        plan,
        found.subscription_id,
        found.sku,
        found.license_type,
    ))
}

/// Sequence of the verdicts on many documents, in order. Each item is created when it is accessed.
#[pyclass(frozen, module = "imdskit._native")]
pub struct Verdicts(Batch<PyBackedBytes>);

#[pymethods]
impl Verdicts {
    fn __len__(&self) -> usize {
        self.0.verdicts().len()
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let Ok(slice) = key.cast::<PySlice>() else {
            return self.item(py, key.extract()?);
        };
        let range = slice.indices(isize::try_from(self.0.verdicts().len())?)?;
        let items = (0..range.slicelength).map(|number| {
            let number = isize::try_from(number)?;
            self.item(py, range.start + number * range.step)
        });
        Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any())
    }

    /// Return the verdicts as `imdskit.backends.contract.Columns`.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        columns(py, || Columns::of(&self.0.checker(), std::slice::from_ref(self.0.verdicts())))
    }
}

/// Converts columns to `imdskit.backends.contract.Columns`.
fn columns(py: Python<'_>, made: impl FnOnce() -> Result<Columns, TooLong> + Send) -> PyResult<Bound<'_, PyAny>> {
    static COLUMNS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let found = detached(py, made)?.map_err(|_| PyOverflowError::new_err("a column of 2 GiB or more"))?;
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    let texts = PyDict::new(py);
    for (name, column) in TEXTS.iter().zip(&found.texts) {
        texts.set_item(name, (bytes(&column.valid), bytes(&column.offsets), bytes(&column.octets)))?;
    }
    let signers = found.signers.iter().map(|signer| {
        let chain = PyTuple::new(py, signer.chain.iter().map(|der| bytes(der)))?;
        Ok((&signer.label, &signer.name, chain))
    });
    let signers = PyTuple::new(py, signers.collect::<PyResult<Vec<_>>>()?)?;
    COLUMNS.import(py, "imdskit.backends.contract", "Columns")?.call1((
        found.rows,
        bytes(&found.accepted),
        bytes(&found.reason),
        bytes(&found.signer),
        bytes(&found.created_on),
        bytes(&found.expires_on),
        texts,
        signers,
    ))
}

impl Verdicts {
    fn item<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let index = if index < 0 {
            self.0.verdicts().len().checked_add_signed(index)
        } else {
            usize::try_from(index).ok()
        };
        let absent = || PyIndexError::new_err("there is no such verdict");
        let index = index.ok_or_else(absent)?;
        if self.0.is_inherited() {
            // In the child of a fork, the first use of the checker parses certificates and revocation lists again. This may take long, so
            // it happens without the interpreter's lock.
            detached(py, || self.0.checker())?;
        }
        match caught(py, || self.0.get(index))?.ok_or_else(absent)? {
            Ok(signed) => Ok(Bound::new(py, Signed::new(signed))?.into_any()),
            Err(refusal) => refused(py, &refusal),
        }
    }
}
