"""Verbs that use the client. Internal."""
