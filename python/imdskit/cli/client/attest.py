"""Fetch an attested document from the Instance Metadata Service: its JSON, unchanged.

Exit status: 0 fetched, 1 not answered or answered with an error, 2 a mistake in the arguments or a file that cannot be written."""

from __future__ import annotations

import argparse
import secrets

from imdskit.cli.shared import inputs, output
from imdskit.client import Client


def add_arguments(parser: argparse.ArgumentParser) -> None:
    nonce = parser.add_mutually_exclusive_group()
    nonce.add_argument("--nonce", metavar="N", help="that the document shall carry: 1 to 32 letters, digits, or - . _ ~")
    nonce.add_argument("--new-nonce", action="store_true", help="make one of ten random digits and write it on standard error")
    parser.add_argument("-o", metavar="FILE", dest="out", help="write to FILE instead of standard output")
    parser.add_argument("--base-url", metavar="URL", help="of another service, such as an emulator's")


def run(options: argparse.Namespace) -> int:
    nonce = f"{secrets.randbelow(10**10):010}" if options.new_nonce else options.nonce
    document = Client(options.base_url).attested_document(nonce)
    if options.out is None:
        output.octets(document)
    else:
        inputs.write(options.out, document)
    if options.new_nonce:
        output.note(f"nonce: {nonce}")
    return 0
