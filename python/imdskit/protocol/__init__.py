"""IMDS on the wire, without I/O: requests, responses and signed content. All modules of this package are internal."""
