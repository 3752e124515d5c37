"""Read the instance document with the agent of New Relic, which requests the oldest api-version."""
# client: newrelic

from importlib.metadata import version

from newrelic.common.utilization import AzureUtilization

found = AzureUtilization.detect()
assert found["name"] == "linux-vm", found
assert set(found) == {"location", "name", "vmId", "vmSize"}, found
print("newrelic", version("newrelic"))
