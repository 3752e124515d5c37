"""The four Azure clouds, with the names that identify them in instance documents and in the
certificates that sign attested documents.

Source: IMDS documentation, "Sovereign clouds" and "Attested data"; ``docs/fidelity.md``.
"""

from __future__ import annotations

from typing import NamedTuple

from imdskit import arguments
from imdskit.errors import UsageError


class Cloud(NamedTuple):
    """One Azure cloud.

    Attributes:
        name: short name used by this package.
        environment: value of ``compute.azEnvironment``.
        domain: DNS name of the metadata service. Each certificate that signs its attested documents
            contains this name or a subdomain of it.
        aliases: names that other programs use, in lower case.
    """

    name: str
    environment: str
    domain: str
    aliases: tuple[str, ...]


PUBLIC = Cloud("public", "AzurePublicCloud", "metadata.azure.com", ("azurecloud", "azure", "global", "commercial"))
"""Azure's global cloud."""

US_GOVERNMENT = Cloud(
    "usgovernment",
    "AzureUSGovernmentCloud",
    "metadata.azure.us",
    ("azureusgovernment", "usgov", "us-gov", "us-government", "government", "gov"),
)
"""Azure Government in the United States."""

CHINA = Cloud("china", "AzureChinaCloud", "metadata.azure.cn", ("azurechina", "mooncake", "21vianet"))
"""Azure in China, operated by 21Vianet."""

GERMANY = Cloud("germany", "AzureGermanCloud", "metadata.microsoftazure.de", ("azuregermancloud", "german", "azuregermany"))
"""Azure Germany, which closed in 2021. Its old documents can still be verified."""

CLOUDS: tuple[Cloud, ...] = (PUBLIC, US_GOVERNMENT, CHINA, GERMANY)
"""All clouds."""

_BY_NAME = {key.lower(): cloud for cloud in CLOUDS for key in (cloud.name, cloud.environment, cloud.domain, *cloud.aliases)}


def find(name: str) -> Cloud:
    """Return the cloud with the given name.

    ``name`` can be the cloud's short name, its value of ``azEnvironment``, its domain or one of its
    aliases. Letter case is ignored.

    Raises:
        UsageError: no cloud has that name.
    """
    try:
        return _BY_NAME[arguments.instance(name, "cloud", str).lower()]
    except KeyError:
        message = f"`cloud` must be the name of a cloud; got {arguments.shown(name)}."
        raise UsageError("bad-argument", message, location="cloud", hint="Names: " + ", ".join(c.name for c in CLOUDS) + ".") from None


__all__ = ["CHINA", "CLOUDS", "GERMANY", "PUBLIC", "US_GOVERNMENT", "Cloud", "find"]
