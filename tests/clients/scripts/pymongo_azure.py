"""Get a token with the MongoDB driver, and check its error for an empty resource."""
# client: pymongo

from importlib.metadata import version

from pymongo._azure_helpers import _get_azure_response

assert _get_azure_response("api://application", None, 5)["access_token"].count(".") == 2
try:
    _get_azure_response("", None, 5)
except ValueError as error:
    assert "400" in str(error), error
else:
    raise AssertionError
print("pymongo", version("pymongo"))
