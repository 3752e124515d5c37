"""Scheduled events of a machine."""
