"""Use workload identity federation of google-auth. The subject token is an access token of the
machine's managed identity."""
# client: google-auth
# override: url

import os
from importlib.metadata import version

import google.auth.transport.requests
from google.auth import identity_pool

query = "api-version=2018-02-01&resource=api://AzureADTokenExchange"
credentials = identity_pool.Credentials.from_info(
    {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/a",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {
            "url": f"{os.environ['IMDS_URL']}/metadata/identity/oauth2/token?{query}",
            "headers": {"Metadata": "True"},
            "format": {"type": "json", "subject_token_field_name": "access_token"},
        },
    }
)
assert credentials.retrieve_subject_token(google.auth.transport.requests.Request()).count(".") == 2
print("google-auth", version("google-auth"))
