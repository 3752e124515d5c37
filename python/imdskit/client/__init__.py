"""Ask the Instance Metadata Service of the machine that this runs on, as it wants to be asked.

What belongs here: requests and what their answers mean. Checking an attested document is :mod:`imdskit.verify`, which this never imports.
"""

from imdskit.client.client import Client

__all__ = ["Client"]
