"""Functions to read, write, update and examine trust bundles, for ``imdskit trust`` and
``imdskit doctor``. All modules of this package are internal."""
