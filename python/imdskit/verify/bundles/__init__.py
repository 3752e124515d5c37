"""Functions to read, write, update and examine trust bundles. All modules of this package are internal. ``imdskit trust`` uses them."""
