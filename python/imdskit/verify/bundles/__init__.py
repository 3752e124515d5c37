"""Trust bundles: reading, writing, updating, and what one lacks. All modules of this package are internal; ``imdskit trust`` uses them."""
