"""Verification of RSA (RFC 8017) and ECDSA (FIPS 186-5) signatures, selected by algorithm
identifier. This package is internal."""
