"""Ask the Instance Metadata Service for what stands at a path, and write the answer unchanged.

Without --format an object or array comes as JSON, and a single value, which the service gives as text only, as text.
What passes (410, 429, 5xx, a slow answer) is waited for, up to 100 seconds.
Exit status: 0 answered, 1 not answered or answered with an error, 2 a mistake in the arguments."""

from __future__ import annotations

import argparse

from imdskit.cli.shared import output
from imdskit.client import Client, address
from imdskit.codes import ClientCode
from imdskit.errors import ClientError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="/metadata/...; or shorter: versions, instance/compute, compute/vmId")
    parser.add_argument("--format", choices=["json", "text"], help="text: a single value, or the names of an object's children")
    parser.add_argument("--api-version", metavar="V", help="such as 2021-02-01, the default; newest: that the host knows")
    parser.add_argument("--base-url", metavar="URL", help="of another service, such as an emulator's")
    parser.add_argument("--no-retry", action="store_true", help="one attempt, and a report")


def run(options: argparse.Namespace) -> int:
    client = Client(options.base_url, retry=None if options.no_retry else "default")
    try:
        body = client.get_bytes(options.path, options.format or "json", options.api_version)
    except ClientError as error:
        # The service answers 400 where one value is asked for as JSON, and does not say that this is the reason.
        is_instance = address.category(address.full_path(options.path)) == "instance"
        if options.format is not None or error.code != ClientCode.BAD_REQUEST or not is_instance:
            raise
        body = client.get_bytes(options.path, "text", options.api_version)
    output.octets(body)
    return 0
