"""Verification without an engine: one process reads Parquet, verifies on all cores, and writes Parquet, in constant memory."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from verification import arguments

ROWS = 16_384
"""Rows per batch: enough to keep every core busy, and a few tens of megabytes."""

if __name__ == "__main__":
    options, verify = arguments(__doc__)
    verify = replace(verify, threads=options.processes)
    source = ds.dataset(options.given, format="parquet")
    with pq.ParquetWriter(options.found, verify.schema(source.schema)) as writer:
        for batch in verify.each(source.to_batches(batch_size=ROWS, batch_readahead=4, fragment_readahead=1)):
            writer.write_batch(batch)
