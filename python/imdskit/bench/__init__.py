"""Measurements of the command ``imdskit bench``. The modules of this package are internal.

The operations are measured in several rounds. Each round measures every operation once, so other
load on the machine affects all operations alike. Comparisons with other programs are in the folder
``benches`` of the source repository.
"""
