"""Verify documents without an engine: one process reads Parquet, verifies on all cores, and writes Parquet. Memory use is constant."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from verification import arguments

ROWS = 16_384
"""Number of rows in a batch. A batch keeps all cores busy and takes some tens of megabytes."""

if __name__ == "__main__":
    options, verify = arguments(__doc__)
    verify = replace(verify, threads=options.processes)
    dataset = ds.dataset(options.input, format="parquet")
    with pq.ParquetWriter(options.output, verify.schema(dataset.schema)) as writer:
        for batch in verify.each(dataset.to_batches(batch_size=ROWS, batch_readahead=4, fragment_readahead=1)):
            writer.write_batch(batch)
