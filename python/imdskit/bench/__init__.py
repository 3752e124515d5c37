"""Measurements of the command ``imdskit bench``. The modules of this package are internal.

The operations are measured in several rounds, one after another in each round. Other load on the
machine therefore affects all of them alike. Comparisons with other programs are in the folder
``benches`` of the source repository.
"""
