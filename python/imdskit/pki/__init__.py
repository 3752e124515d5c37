"""Certificates, certification paths, revocation lists and CMS messages in pure Python (RFC 5280,
RFC 5652).

This package is internal. It imports neither :mod:`imdskit.verify` nor :mod:`imdskit.backends`.
"""
