//! `imdskit.backends.contract.PackedDocuments`, read.

use std::ops::Range;

use imdskit_core::batch::Times;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};

/// Bytes of documents that are copied at a time. Another thread may get the interpreter's lock in between, so there are few parts; and a part stays in the
/// cache of the processor.
const PART: usize = 4 << 20;

/// When validity is judged: a Unix second for all documents, or a buffer with one for each.
#[derive(FromPyObject)]
pub(crate) enum At {
    One(i64),
    Each(PyBuffer<i64>),
}

impl At {
    pub(crate) fn read(self, py: Python<'_>) -> PyResult<Times> {
        Ok(match self {
            Self::One(at) => Times::One(at),
            Self::Each(all) => Times::Each(all.to_vec(py)?),
        })
    }
}

/// Documents one after another in one buffer.
pub(crate) struct Packed<'py> {
    octets: Bound<'py, PyMemoryView>,
    offsets: Vec<usize>,
}

impl<'py> Packed<'py> {
    pub(crate) fn read(documents: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = documents.py();
        let octets = PyMemoryView::from(&documents.getattr(intern!(py, "octets"))?)?;
        let offsets: PyBuffer<i64> = documents.getattr(intern!(py, "offsets"))?.extract()?;
        let offsets = offsets.to_vec(py)?.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
        match offsets {
            Ok(offsets) if offsets.is_sorted() && *offsets.last().unwrap_or(&usize::MAX) <= octets.len()? => Ok(Self { octets, offsets }),
            _ => Err(PyValueError::new_err("the offsets are not ascending places in the buffer")),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Copies one part of the documents to the start of `copy`, and returns the place of each there.
    ///
    /// Whoever else has the buffer may write into it at any time, even if it is read-only for us. The checker therefore sees nothing but the copy, which is
    /// taken once.
    pub(crate) fn copy(&self, first: usize, copy: &mut Vec<u8>) -> PyResult<Vec<Range<usize>>> {
        let start = self.offsets[first];
        let rows = self.offsets[first + 1..].partition_point(|end| end - start <= PART).max(1);
        let offsets = &self.offsets[first..=first + rows];
        let size = offsets[rows] - start;
        if copy.len() < size {
            copy.resize(size, 0);
        }
        let place = PySlice::new(self.octets.py(), isize::try_from(start)?, isize::try_from(offsets[rows])?, 1);
        let part: PyBuffer<u8> = self.octets.get_item(place)?.extract()?;
        part.copy_to_slice(self.octets.py(), &mut copy[..size])?;
        Ok(offsets.windows(2).map(|ends| ends[0] - start..ends[1] - start).collect())
    }
}
