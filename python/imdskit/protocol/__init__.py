"""Formats of the Instance Metadata Service: the content of attested documents, and the shape of the
instance document. The emulator shares these modules with other packages of imdskit. The modules do
no I/O, and all of them are internal."""
