"""The resource of a machine; the detector waits 200 ms and no more."""
# client: opentelemetry-resource-detector-azure

from importlib.metadata import version

from opentelemetry.resource.detector.azure.vm import AzureVMResourceDetector

found = AzureVMResourceDetector().detect().attributes
assert found["host.name"] == "linux-vm", found
assert found["cloud.region"] == "westeurope", found
print("opentelemetry-resource-detector-azure", version("opentelemetry-resource-detector-azure"))
