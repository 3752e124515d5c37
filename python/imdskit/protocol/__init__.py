"""Formats of the Instance Metadata Service that the emulator shares with the client or the command
line, without I/O: the content of attested documents and the shape of the instance document. All
modules of this package are internal."""
