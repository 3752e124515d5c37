"""DuckDB on one big machine: it reads and filters, imdskit verifies, and what is found can be asked about in SQL."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pyarrow as pa
from verification import arguments

ROWS = 16_384

if __name__ == "__main__":
    options, verify = arguments(__doc__)
    verify = replace(verify, threads=options.processes)
    connection = duckdb.connect()
    files = connection.read_parquet(options.given if options.given.endswith(".parquet") else f"{options.given}/*.parquet")
    given = files.to_arrow_reader(ROWS)
    found = pa.RecordBatchReader.from_batches(verify.schema(given.schema), verify.each(given))
    connection.cursor().from_arrow(found).write_parquet(options.found)  # another cursor: the first one is being read
