"""Get a token for each kind of identity with azure-identity. The credential requests each token
once and caches it."""
# client: azure-identity
# override: AZURE_POD_IDENTITY_AUTHORITY_HOST

from importlib.metadata import version

from azure.identity import ManagedIdentityCredential

system = ManagedIdentityCredential()
token = system.get_token("https://management.azure.com/.default")
assert token.token.count(".") == 2
assert system.get_token("https://management.azure.com/.default").token == token.token
user = ManagedIdentityCredential(client_id="11111111-2222-3333-4444-555555555555")
assert user.get_token("https://vault.azure.net/.default").token != token.token
print("azure-identity", version("azure-identity"))
