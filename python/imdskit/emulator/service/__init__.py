"""Service of the emulator without sockets: it returns the response of a machine to a request."""

from __future__ import annotations
