"""Faults that the emulator injects on purpose."""
