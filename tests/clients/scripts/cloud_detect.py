"""Detect the cloud with cloud-detect, which probes every cloud at once and must find Azure."""
# client: cloud-detect

import sys
from importlib.metadata import version
from pathlib import Path

sys.path = [folder for folder in sys.path if folder != str(Path(__file__).parent)]  # otherwise it would import this file
from cloud_detect import provider  # noqa: E402

assert provider() == "azure", provider()
print("cloud-detect", version("cloud-detect"))
