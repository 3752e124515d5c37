//! The class `_native.Bucket`.

use imdskit_core::bucket;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::errors::error;

/// See `imdskit.backends.contract.Bucket`.
#[pyclass(frozen, module = "imdskit._native")]
pub struct Bucket(bucket::Bucket);

#[pymethods]
impl Bucket {
    #[new]
    fn new(rate: &Bound<'_, PyAny>, per_ns: &Bound<'_, PyAny>, burst: &Bound<'_, PyAny>) -> PyResult<Self> {
        let refused = || {
            let message = "Rate, period and burst must be at least 1. Rate must be less than 2**63, and so must burst times period.";
            error(rate.py(), "UsageError", "bad-argument", message, None)
        };
        // Python integers may be negative or of any size. Such values are out of range here as well.
        let natural = |number: &Bound<'_, PyAny>| match number.extract::<u64>() {
            Err(failure) if failure.is_instance_of::<PyOverflowError>(number.py()) => Err(refused()),
            other => other,
        };
        bucket::Bucket::new(natural(rate)?, natural(per_ns)?, natural(burst)?)
            .map(Self)
            .map_err(|bucket::BadArgument| refused())
    }

    /// Take one token. Return 0, or the number of nanoseconds until the next token.
    fn take(&self, now_ns: i64) -> u64 {
        self.0.take(now_ns)
    }
}
