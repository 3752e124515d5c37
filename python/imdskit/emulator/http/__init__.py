"""HTTP/1.1 over sockets: message framing, the protocol state of a connection, and two ways to run
connections (threads and an event loop)."""

from __future__ import annotations
