"""Certificates, certification paths, revocation lists and CMS messages in pure Python (RFC 5280, RFC 5652).

This package is internal. It knows no attested documents, no backends and no Azure policies.
"""
