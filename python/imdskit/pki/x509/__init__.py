"""Certificates (RFC 5280 section 4): the grammar, rules for single certificates, names and name
constraints. This package is internal."""
