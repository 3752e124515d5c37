"""Get a token of a managed identity of this machine, and write it: it is a secret.

Without more it is the machine's own identity, or its only one. What passes (404, 410, 429, 5xx, a slow answer) is waited for.
Exit status: 0 written; 1 no token was to be had; 2 a mistake in the arguments."""

from __future__ import annotations

import argparse

from imdskit.cli.shared import output
from imdskit.client import Client


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("resource", metavar="RESOURCE", help="that it is for, such as https://vault.azure.net")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--client-id", metavar="ID", help="of the identity")
    who.add_argument("--object-id", metavar="ID", help="of the identity")
    who.add_argument("--resource-id", metavar="ID", help="of the identity, in Azure Resource Manager")
    parser.add_argument("--json", action="store_true", help="write what is known of it too: until when it is good, and whose it is")
    parser.add_argument("--base-url", metavar="URL", help="of another service, such as an emulator's")
    parser.add_argument("--no-retry", action="store_true", help="one attempt, and a report")


def run(options: argparse.Namespace) -> int:
    client = Client(options.base_url, retry=None if options.no_retry else "default")
    token = client.token(options.resource, client_id=options.client_id, object_id=options.object_id, msi_res_id=options.resource_id)
    if not options.json:
        output.line(token.access_token)
        return 0
    output.value(
        {
            "access_token": token.access_token,
            "token_type": token.token_type,
            "resource": token.resource,
            "client_id": token.client_id,
            "expires_on": token.expires_on,
        }
    )
    return 0
