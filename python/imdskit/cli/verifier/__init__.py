"""Verbs of the verifier. Internal."""
