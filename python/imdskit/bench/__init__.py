"""Measurements that the command ``imdskit bench`` makes. The modules of this package are internal.

The measured operations alternate in rounds, so that other load on the machine affects all of them alike. Comparisons with other programs
are in the folder ``benches`` of the source.
"""
