"""Request metadata from the Instance Metadata Service, and write the response unchanged.

Without --format, objects and arrays are written as JSON. Single values are written as text, because
the service offers no other format for them. Temporary errors (408, 410, 429, 5xx, a timeout) are
retried for up to 100 seconds.

Exit status:

  0  success
  1  the service does not respond, or its
     response is an error
  2  a mistake in the arguments
"""

from __future__ import annotations

import argparse

from imdskit.cli.shared import output
from imdskit.client import Client, address
from imdskit.codes import ClientCode
from imdskit.errors import ClientError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="/metadata/..., or a short form such as versions, instance/compute or compute/vmId")
    parser.add_argument(
        "--format",
        choices=["json", "text"],
        help="format of the response. With text, the response is a single value as text or, for an object, the names of its members",
    )
    parser.add_argument(
        "--api-version",
        metavar="V",
        help="api-version, by default 2021-02-01; the word newest selects the newest version that both the service and imdskit support",
    )
    parser.add_argument("--base-url", metavar="URL", help="address of another service, such as an emulator")
    parser.add_argument("--no-retry", action="store_true", help="make one attempt only")


def run(options: argparse.Namespace) -> int:
    client = Client(options.base_url, retry=None if options.no_retry else "default")
    try:
        body = client.get_bytes(options.path, options.format or "json", options.api_version)
    except ClientError as error:
        # The service has no JSON form of a single value. If a request demands one, the service
        # responds with status 400, but its error does not name this reason.
        is_instance = address.category(address.full_path(options.path)) == "instance"
        if options.format is not None or error.code != ClientCode.BAD_REQUEST or not is_instance:
            raise
        body = client.get_bytes(options.path, "text", options.api_version)
    output.write_bytes(body)
    return 0
