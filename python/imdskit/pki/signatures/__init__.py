"""Signature verification: RSA (RFC 8017), ECDSA (FIPS 186-5) and their algorithm identifiers. Internal."""
