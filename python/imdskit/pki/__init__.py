"""Certificates, certification paths, revocation lists and CMS messages in pure Python (RFC 5280,
RFC 5652).

This package is internal. It does not depend on attested documents, on the backends, or on policies
of Azure.
"""
