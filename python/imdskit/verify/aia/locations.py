"""Where issuers' certificates may be fetched from. Data: every address in the certificates of genuine documents and of the authorities
above them lies here (a test compares), and nothing else is requested, whatever a certificate says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from imdskit.errors import FetchError
from imdskit.verify.aia.contract import Target


class Location(NamedTuple):
    """One directory of one server, reached by plain HTTP.

    Attributes:
        host: exact name, in lower case.
        directory: path with a slash at both ends; files lie directly in it.
        port: of the server.
    """

    host: str
    directory: str
    port: int = 80

    @property
    def prefix(self) -> str:
        """What an address in this place begins with."""
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
"""Source: certificates of 2019 to 2026; "Azure Certificate Authority details", AIA hosts. The last two are on that page only: no certificate that
names them has been seen.

Plain HTTP only, as the real addresses are: a certificate is proved by its issuer's signature, and HTTPS could need this very fetch.
"""

# One segment of RFC 3986 section 3.3 that does not begin with a dot. Of what can be percent-encoded only space and marks between 0x21 and
# 0x2c: no letter, dot, slash, percent sign, question mark, quotation mark, control or octet above 0x7e can hide.
_FILE = re.compile(r"(?!\.)(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%2[0146-9A-Ca-c]){1,200}", re.ASCII)


def target(address: str, locations: Iterable[Location]) -> Target:
    """What to ask for, if an address lies in one of the locations: its prefix, letter by letter, and then one plain file name.

    Raises:
        FetchError: ``url-refused``.
    """
    for location in locations:
        if address.startswith(location.prefix) and _FILE.fullmatch(address, len(location.prefix)):
            return Target(location.host, location.port, address[len(location.prefix) - len(location.directory) :])
    raise FetchError("url-refused", "The address is in no location that issuers are fetched from.", location=repr(address[:200]))
