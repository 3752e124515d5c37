"""Detect the cloud with the agent of Elastic APM, which first checks whether the port is open."""
# client: elastic-apm

from importlib.metadata import version

from elasticapm.utils import cloud

found = cloud.azure_metadata()
assert found["provider"] == "azure", found
assert found["instance"]["name"] == "linux-vm", found
print("elastic-apm", version("elastic-apm"))
