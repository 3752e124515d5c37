"""Certificates (RFC 5280 section 4): their grammar, their rules, names and name constraints. Internal."""
