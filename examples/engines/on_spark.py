"""Verify documents with ``mapInArrow`` of Spark. Without a cluster, this program starts several executors, each a process with one core."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from verification import arguments

import imdskit

MEBIBYTES = 1024
"""Memory of each executor, in MiB."""

if __name__ == "__main__":
    options, verify = arguments(__doc__)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = os.environ.get("SPARK_MASTER", f"local-cluster[{options.processes},1,{MEBIBYTES}]")
    spark = (
        SparkSession.builder.appName("imdskit")
        .master(master)
        .config("spark.executorEnv.PYTHONPATH", str(Path(imdskit.__file__).parent.parent))  # on a cluster, install imdskit instead
        .config("spark.executor.memory", f"{MEBIBYTES}m")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 4096)
        .config("spark.sql.files.maxPartitionBytes", 4 * 2**20)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    rows = spark.read.parquet(options.input)
    schema: pa.Schema = verify.schema(to_arrow_schema(rows.schema, timezone="UTC"))
    rows.mapInArrow(verify.each, from_arrow_schema(schema)).write.mode("overwrite").parquet(options.output)
    spark.stop()
