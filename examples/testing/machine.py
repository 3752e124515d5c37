"""A program that requests the metadata of its machine with urllib, and retries while the service is busy."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

SERVICE = "http://169.254.169.254"


def compute(sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Return the metadata of the virtual machine. Retry up to four times while the service is busy."""
    url = os.environ.get("MACHINE_IMDS", SERVICE) + "/metadata/instance/compute?api-version=2021-02-01"
    request = urllib.request.Request(url, headers={"Metadata": "true"})  # noqa: S310  # the user chooses the address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # requests to the service must not go through a proxy
    for attempt in range(5):
        try:
            with opener.open(request, timeout=5) as response:
                metadata: dict[str, Any] = json.load(response)
                return metadata
        except urllib.error.HTTPError as refusal:
            refusal.close()
            if refusal.code not in (410, 429, 500, 503) or attempt == 4:
                raise
            sleep(2.0**attempt)
    raise AssertionError  # never reached: the last attempt returns or raises
