"""The service without sockets: a request and a machine in, a response out."""

from __future__ import annotations
