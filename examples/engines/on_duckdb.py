"""Verify documents with DuckDB on one machine: DuckDB reads and filters, imdskit verifies, and SQL can query the results."""

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
    files = connection.read_parquet(options.input if options.input.endswith(".parquet") else f"{options.input}/*.parquet")
    reader = files.to_arrow_reader(ROWS)
    verdicts = pa.RecordBatchReader.from_batches(verify.schema(reader.schema), verify.each(reader))
    # The result of the first query is still being read, so writing needs another cursor.
    connection.cursor().from_arrow(verdicts).write_parquet(options.output)
