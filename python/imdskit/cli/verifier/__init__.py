"""Verbs of the verifier. This package is internal."""
