"""Verification with Dask: ``map_partitions``, on processes of this machine or on the workers of a cluster."""

from __future__ import annotations

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from verification import arguments

from imdskit.arrow import VerifyBatch


def verify_partition(frame: pd.DataFrame, verify: VerifyBatch, schema: pa.Schema) -> pd.DataFrame:
    """Return the verdicts on one partition."""
    return verify.table(pa.Table.from_pandas(frame, schema, preserve_index=False)).to_pandas(types_mapper=pd.ArrowDtype)


if __name__ == "__main__":
    options, verify = arguments(__doc__)
    schema = ds.dataset(options.given, format="parquet").schema
    nothing = verify.schema(schema).empty_table().to_pandas(types_mapper=pd.ArrowDtype)
    frame = dd.read_parquet(options.given, split_row_groups=True)
    verdicts = frame.map_partitions(verify_partition, verify, schema.remove_metadata(), meta=nothing)
    verdicts.to_parquet(
        options.found,
        schema=verify.schema(schema),
        write_index=False,
        compute_kwargs={"scheduler": "processes", "num_workers": options.processes},
    )
