"""Get a token with DefaultAzureCredential, which finds the service with a request that lacks the
header Metadata."""
# client: azure-identity
# override: AZURE_POD_IDENTITY_AUTHORITY_HOST

from importlib.metadata import version

from azure.identity import DefaultAzureCredential

token = DefaultAzureCredential().get_token("https://storage.azure.com/.default")
assert token.token.count(".") == 2
print("azure-identity", version("azure-identity"), "(default chain)")
