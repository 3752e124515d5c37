"""Certification path building and validation (RFC 5280 section 6), within a work budget. Internal."""
