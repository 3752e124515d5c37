"""Get a token with the older library msrestazure. It requires resource, token_type, and expires_on
as text in the response."""
# client: msrestazure

import time
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
from msrestazure.azure_active_directory import MSIAuthentication  # noqa: E402

credential = MSIAuthentication()
credential.set_token()
assert credential.scheme == "Bearer"
assert int(credential.token["expires_on"]) > time.time()
print("msrestazure", version("msrestazure"))
