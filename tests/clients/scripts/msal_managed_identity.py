"""Get tokens with MSAL: by client id, by object id, from its cache, and for an unknown identity."""
# client: msal
# override: AZURE_POD_IDENTITY_AUTHORITY_HOST

from importlib.metadata import version

import msal
import requests

session = requests.Session()


def ask(identity: object) -> dict[str, object]:
    found: dict[str, object] = msal.ManagedIdentityClient(identity, http_client=session).acquire_token_for_client(
        resource="https://vault.azure.net"
    )
    return found


system = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=session)
assert system.acquire_token_for_client(resource="https://vault.azure.net")["token_type"] == "Bearer"
assert system.acquire_token_for_client(resource="https://vault.azure.net")["token_source"] == "cache"
assert "access_token" in ask(msal.UserAssignedManagedIdentity(client_id="11111111-2222-3333-4444-555555555555"))
assert "access_token" in ask(msal.UserAssignedManagedIdentity(object_id="22222222-2222-3333-4444-555555555555"))
assert ask(msal.UserAssignedManagedIdentity(client_id="00000000-0000-0000-0000-000000000000"))["error"] == "invalid_request"
print("msal", version("msal"))
