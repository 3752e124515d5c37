"""How fast this machine is at what imdskit does: the measurements behind ``imdskit bench``.

The modules of this package are internal.

What belongs here: work to measure, and the measuring of it in rounds that alternate, so that what else the machine does falls on all alike. Comparisons
with other programs are in the folder ``benches`` of the source.
"""
