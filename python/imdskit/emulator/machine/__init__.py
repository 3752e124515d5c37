"""The machine that a scenario describes: its instance document, managed identities and load
balancer."""

from __future__ import annotations
