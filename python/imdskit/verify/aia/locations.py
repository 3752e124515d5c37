"""Locations from which issuer certificates may be fetched.

The fetcher requests only URLs in these locations, whatever URL a certificate names. A test checks
that the locations contain every issuer URL in the certificates of genuine documents and of the
authorities in their chains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from imdskit.errors import FetchError
from imdskit.verify.aia.contract import Target


class Location(NamedTuple):
    """Directory on a server, available over plain HTTP.

    Attributes:
        host: exact host name, in lower case.
        directory: path that begins and ends with a slash. Only files directly in this directory are
            in the location.
        port: TCP port of the server.
    """

    host: str
    directory: str
    port: int = 80

    @property
    def prefix(self) -> str:
        """The beginning of every URL in this location."""
        port = "" if self.port == 80 else f":{self.port}"
        return f"http://{self.host}{port}{self.directory}"


LOCATIONS = (
    Location("www.microsoft.com", "/pki/mscorp/"),
    Location("www.microsoft.com", "/pkiops/certs/"),
    Location("caissuers.microsoft.com", "/pkiops/certs/"),
    Location("cacerts.digicert.com", "/"),
    Location("cacerts.digicert.cn", "/"),
    Location("cacerts.geotrust.com", "/"),
)
"""Locations of Azure's authorities.

Sources: certificates of 2019 to 2026, and the AIA hosts on the page "Azure Certificate Authority
details". The last two locations come only from that page; no certificate with a URL in one of them
has been seen.

All known issuer URLs use plain HTTP. Plain HTTP is sufficient, because the signature on a
certificate proves who issued it. HTTPS is not used for such URLs, because verifying the server's
certificate could require the certificate that is being fetched.
"""

# One path segment (RFC 3986 section 3.3) that does not begin with a dot. Only a space and some
# punctuation marks from 0x21 to 0x2c may be percent-encoded. Percent-encoding therefore cannot hide
# a letter, a dot, a slash, a percent sign, a question mark or a control character.
_FILE = re.compile(r"(?!\.)(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%2[0146-9A-Ca-c]){1,200}", re.ASCII)


def target(address: str, locations: Iterable[Location]) -> Target:
    """Return the target of a request for the URL ``address``. The URL must consist of the prefix of
    a location, which is compared exactly, and one file name.

    Raises:
        FetchError: ``url-refused``: the URL is in none of the locations.
    """
    for location in locations:
        if address.startswith(location.prefix) and _FILE.fullmatch(address, len(location.prefix)):
            return Target(location.host, location.port, address[len(location.prefix) - len(location.directory) :])
    raise FetchError("url-refused", "The URL is in none of the locations from which issuers may be fetched.", location=repr(address[:200]))
