"""Read the metadata of the machine with OpenTelemetry's resource detector, which waits at most 200
ms."""
# client: opentelemetry-resource-detector-azure

from importlib.metadata import version

from opentelemetry.resource.detector.azure.vm import AzureVMResourceDetector

found = AzureVMResourceDetector().detect().attributes
assert found["host.name"] == "linux-vm", found
assert found["cloud.region"] == "westeurope", found
print("opentelemetry-resource-detector-azure", version("opentelemetry-resource-detector-azure"))
