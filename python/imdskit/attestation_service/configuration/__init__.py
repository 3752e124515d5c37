"""Settings, keys, and files that are read again when they change. Internal."""
