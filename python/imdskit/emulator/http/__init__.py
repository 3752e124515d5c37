"""HTTP/1.1 over sockets: framing, connections, and the two servers that drive them."""

from __future__ import annotations
