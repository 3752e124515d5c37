"""The protocol of the Instance Metadata Service, without I/O: requests, responses and the content
of attested documents. All modules of this package are internal."""
