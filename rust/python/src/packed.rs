//! Reader of `imdskit.backends.contract.PackedDocuments`.

use std::ops::Range;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};

/// Maximum size in bytes of a part of a column. The parts are copied and verified one after another. A document that is longer than this
/// maximum forms a part by itself. Taking the interpreter's lock again for each part costs time, so there should be few parts. But each
/// part should fit in the processor's cache.
const PART: usize = 4 << 20;

/// Copies a buffer of integers.
pub(crate) fn integers(buffer: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    // The address of an empty buffer may not be aligned for integers.
    if buffer.len()? == 0 {
        Ok(Vec::new())
    } else {
        PyBuffer::get(buffer)?.to_vec(buffer.py())
    }
}

/// Documents that are stored one after another in one buffer.
pub(crate) struct Packed<'py> {
    octets: Bound<'py, PyMemoryView>,
    offsets: Vec<usize>,
}

impl<'py> Packed<'py> {
    pub(crate) fn read(documents: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = documents.py();
        let octets = PyMemoryView::from(&documents.getattr(intern!(py, "octets"))?)?;
        let offsets = integers(&documents.getattr(intern!(py, "offsets"))?)?
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<Vec<_>, _>>();
        match offsets {
            Ok(offsets) if offsets.is_sorted() && *offsets.last().unwrap_or(&usize::MAX) <= octets.len()? => Ok(Self { octets, offsets }),
            _ => Err(PyValueError::new_err("the offsets must be ascending positions in the buffer")),
        }
    }

    /// Returns the number of documents.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Copies one part of the documents to the start of `copy` and returns the range of each document in it.
    ///
    /// Other users of the buffer may write into it at any time, even if it is read-only for us. The checker therefore sees only the copy,
    /// which is made once.
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
