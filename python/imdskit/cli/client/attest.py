"""Fetch an attested document from the Instance Metadata Service, and write its JSON unchanged.

Exit status:

  0  the document was fetched
  1  the service does not respond, or its
     response is an error
  2  a mistake in the arguments, or the file
     cannot be written
"""

from __future__ import annotations

import argparse

from imdskit.cli.shared import inputs, output
from imdskit.client import Client
from imdskit.client.nonces import new_nonce


def add_arguments(parser: argparse.ArgumentParser) -> None:
    nonce = parser.add_mutually_exclusive_group()
    nonce.add_argument("--nonce", metavar="N", help="nonce to include in the document: 1 to 32 letters, digits, or - . _ ~")
    nonce.add_argument("--new-nonce", action="store_true", help="generate a nonce of ten random digits, and write it on standard error")
    parser.add_argument("-o", metavar="FILE", dest="out", help="write to FILE instead of standard output")
    parser.add_argument("--base-url", metavar="URL", help="address of another service, such as an emulator")


def run(options: argparse.Namespace) -> int:
    nonce = new_nonce() if options.new_nonce else options.nonce
    document = Client(options.base_url).attested_document(nonce)
    if options.out is None:
        output.write_bytes(document)
    else:
        inputs.write(options.out, document)
    if options.new_nonce:
        output.note(f"nonce: {nonce}")
    return 0
