"""Verification with DuckDB on one large machine: DuckDB reads and filters, imdskit verifies, and SQL can query the verdicts."""

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
    connection.cursor().from_arrow(found).write_parquet(options.found)  # a second cursor, because the first one is being read
