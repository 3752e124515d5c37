"""Settings, keys, and files that the service reloads when they change. This package is internal."""
