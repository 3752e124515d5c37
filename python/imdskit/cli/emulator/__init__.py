"""Verbs of the emulator. Internal."""
