"""Request an access token of a managed identity of this machine, and write it. The token is a
secret.

Without an option that names an identity, the token is for the system-assigned identity. If there is
none, it is for the user-assigned identity, provided that the machine has only one. Temporary errors
(404, 408, 410, 429, 5xx, a timeout) are retried.

Exit status:

  0  success
  1  the service does not respond, or its
     response is an error
  2  a mistake in the arguments
"""

from __future__ import annotations

import argparse

from imdskit.cli.shared import output
from imdskit.client import Client


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("resource", metavar="RESOURCE", help="resource that the token is for, such as https://vault.azure.net")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--client-id", metavar="ID", help="client id of the identity")
    who.add_argument("--object-id", metavar="ID", help="object id of the identity")
    who.add_argument("--resource-id", metavar="ID", help="Azure resource id of the identity")
    parser.add_argument("--json", action="store_true", help="write JSON with the token, its expiry and its identity")
    parser.add_argument("--base-url", metavar="URL", help="address of another service, such as an emulator")
    parser.add_argument("--no-retry", action="store_true", help="make one attempt only")


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
