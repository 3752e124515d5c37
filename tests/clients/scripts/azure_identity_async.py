"""Get tokens with azure-identity through aiohttp."""
# client: azure-identity
# override: AZURE_POD_IDENTITY_AUTHORITY_HOST

import asyncio
from importlib.metadata import version

from azure.identity.aio import ManagedIdentityCredential


async def main() -> None:
    async with ManagedIdentityCredential() as credential:
        token = await credential.get_token("https://graph.microsoft.com/.default")
        assert token.token.count(".") == 2
        assert (await credential.get_token("https://graph.microsoft.com/.default")).token == token.token


asyncio.run(main())
print("azure-identity", version("azure-identity"), "with aiohttp", version("aiohttp"))
