"""Verify documents with Dask: ``map_partitions`` runs in processes on this machine, or on the workers of a cluster."""

from __future__ import annotations

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from verification import arguments

from imdskit.arrow import VerifyBatch


def verified(frame: pd.DataFrame, verify: VerifyBatch, schema: pa.Schema) -> pd.DataFrame:
    """Return the partition with additional columns for the verdicts."""
    return verify.table(pa.Table.from_pandas(frame, schema, preserve_index=False)).to_pandas(types_mapper=pd.ArrowDtype)


if __name__ == "__main__":
    options, verify = arguments(__doc__)
    schema = ds.dataset(options.input, format="parquet").schema
    empty = verify.schema(schema).empty_table().to_pandas(types_mapper=pd.ArrowDtype)
    frame = dd.read_parquet(options.input, split_row_groups=True)
    verdicts = frame.map_partitions(verified, verify, schema.remove_metadata(), meta=empty)
    verdicts.to_parquet(
        options.output,
        schema=verify.schema(schema),
        write_index=False,
        compute_kwargs={"scheduler": "processes", "num_workers": options.processes},
    )
