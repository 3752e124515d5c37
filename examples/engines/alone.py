"""Without an engine: one process reads Parquet, verifies on all of its cores, and writes Parquet. Memory does not grow with the input."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from verification import arguments

ROWS = 16_384
"""Of a batch: enough for every core, and some tens of megabytes."""

if __name__ == "__main__":
    options, verify = arguments(__doc__)
    verify = replace(verify, threads=options.processes)
    given = ds.dataset(options.given, format="parquet")
    with pq.ParquetWriter(options.found, verify.schema(given.schema)) as writer:
        for batch in verify.each(given.to_batches(batch_size=ROWS, batch_readahead=4, fragment_readahead=1)):
            writer.write_batch(batch)
