"""Verify, emulate and ask the Azure Instance Metadata Service, with the standard library alone."""

__version__ = "0.1.0"
