"""Verify documents with Ray: ``map_batches`` runs in processes on this machine or, with RAY_ADDRESS, on a cluster."""

from __future__ import annotations

import ray
from verification import arguments

if __name__ == "__main__":
    options, verify = arguments(__doc__)
    ray.init(num_cpus=options.processes, include_dashboard=False, log_to_driver=False)
    ray.data.read_parquet(options.input).map_batches(verify.table, batch_format="pyarrow", batch_size=4096).write_parquet(options.output)
    ray.shutdown()
