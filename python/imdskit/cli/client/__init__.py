"""Verbs of the client. Internal."""
