"""Run cloud-init's data source for Azure. It first requests an api-version that the service does
not list, and then an older one."""
# client: cloud-init
# requests: /metadata/instance

import os
import sys

packages = os.path.join(os.environ["CLIENTS_DEBIAN"], "cloud-init", "usr", "lib", "python3", "dist-packages")
if not os.path.isdir(packages):
    sys.exit(77)
sys.path[0] = packages  # this replaces the folder of this script
from cloudinit.sources import DataSourceAzure  # noqa: E402
from cloudinit.version import version_string  # noqa: E402

metadata = DataSourceAzure.get_metadata_from_imds(retries=2, md_type=DataSourceAzure.MetadataType.ALL, api_version="2021-08-01")
if not metadata:
    metadata = DataSourceAzure.get_metadata_from_imds(retries=2, md_type=DataSourceAzure.MetadataType.ALL, api_version="2019-06-01")
assert metadata["compute"]["vmId"] == "e13068dc-0395-4f41-bce2-fdb1c8d88017", metadata
assert len(metadata["network"]["interface"][0]["macAddress"]) == 12
print("cloud-init", version_string())
