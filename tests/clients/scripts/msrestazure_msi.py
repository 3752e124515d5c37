"""Get a token with msrestazure, an older library. It needs expires_on as text, and resource and token_type in the response."""
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
