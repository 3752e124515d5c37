"""JSON as the service writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping


def compact(value: Mapping[str, object]) -> bytes:
    """Format JSON as the service does: without white space, in UTF-8, and with escapes only where
    JSON requires them."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
