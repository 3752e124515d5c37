"""Turn the results of `imdskit verify --batch` into an HTML page.

The page needs no other file and no script. For properties such as reason, cloud and region, it
shows how often each value occurs. It names the documents that have rare values. Of the values inside
a document, the page contains only `sku`, which names the image of the virtual machine.

Exit status:

  0  success
  2  a mistake in the arguments, or RESULTS
     cannot be read or contains a line that is
     not a result
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from contextlib import nullcontext
from typing import BinaryIO

from imdskit.cli.shared import inputs, output
from imdskit.cli.verifier import report_page
from imdskit.cli.verifier.batch_input import LONGEST_LINE
from imdskit.cli.verifier.findings import Findings
from imdskit.errors import UsageError
from imdskit.verify import signed_content


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="RESULTS", help="results that `verify --batch` wrote; - for standard input")
    parser.add_argument("-o", "--output", metavar="FILE", help="file for the page; by default standard output")
    parser.add_argument("--title", default="Attested documents", help="title of the page")


def run(options: argparse.Namespace) -> int:
    page = report_page.page(gathered(options.results), options.title).encode()
    if options.output is None:
        output.write_bytes(page.removesuffix(b"\n"))
        return 0
    try:
        with open(options.output, "wb") as file:
            file.write(page)
    except OSError as failure:
        message = f"The page cannot be written: {failure.strerror or failure}."
        raise UsageError("bad-argument", message, location=options.output, hint="Check its path and permissions.") from None
    return 0


def gathered(path: str) -> Findings:
    """Read the results in the file ``path``, or from standard input if ``path`` is ``-``.

    Raises:
        UsageError: the file cannot be read, or a line is not a result.
    """
    try:
        with nullcontext(inputs.standard_input()) if path == "-" else open(path, "rb") as file:
            return _gathered(_lines(file), path)
    except OSError as failure:
        message = f"The results cannot be read: {failure.strerror or failure}."
        raise UsageError("bad-argument", message, location=path, hint="Check its path and permissions.") from None


def _lines(file: BinaryIO) -> Iterable[bytes]:
    return iter(lambda: file.readline(LONGEST_LINE * 8), b"")


def _gathered(lines: Iterable[bytes], path: str) -> Findings:
    findings = Findings()
    for number, line in enumerate(lines, 1):
        try:
            result = signed_content.loads(line)
            if not isinstance(result, dict):
                raise ValueError("it is not an object")
            findings.add(result)
        except (ValueError, RecursionError) as error:
            why = "it is not JSON" if isinstance(error, json.JSONDecodeError | RecursionError | UnicodeDecodeError) else str(error)
            hint = "Name a complete file that `imdskit verify --batch --output` wrote."
            raise UsageError("bad-argument", f"Line {number} is not a result: {why}.", location=path, hint=hint) from None
    if not findings.documents:
        hint = "Name a complete file that `imdskit verify --batch --output` wrote."
        raise UsageError("bad-argument", "The file contains no results.", location=path, hint=hint)
    return findings
