"""Run the IMDS client of Azure's Linux agent. It tests the service and reads the instance
document."""
# client: waagent
# requests: /metadata/instance

import os
import sys

packages = os.path.join(os.environ["CLIENTS_DEBIAN"], "waagent", "usr", "lib", "python3", "dist-packages")
if not os.path.isdir(packages):
    sys.exit(77)
sys.path[0] = packages  # this replaces the folder of this script
from azurelinuxagent.common.protocol.imds import ImdsClient  # noqa: E402
from azurelinuxagent.common.version import AGENT_VERSION  # noqa: E402

client = ImdsClient("168.63.129.16")
assert client.validate() == (True, ""), client.validate()
compute = client.get_compute()
assert compute.vmId == "e13068dc-0395-4f41-bce2-fdb1c8d88017", compute.vmId
assert compute.osType == "Linux", compute.osType
print("waagent", AGENT_VERSION)
