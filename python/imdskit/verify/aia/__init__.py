"""Optional download of issuer certificates. A certificate can contain URLs of its issuer's
certificate, in the extension authorityInfoAccess (AIA, RFC 5280 section 4.2.2.1).

A verifier uses the network only if it was created with ``Verifier(..., aia=AiaFetcher())``. It
calls the fetcher only for a document whose signature is valid and whose chain contains an unknown
issuer. A fetched certificate is treated like any other intermediate. It is not trusted, and only
helps to build a path to a trust anchor.

Importing this package imports no network code. The only module with network code is ``transport``.
It is imported when an :class:`AiaFetcher` is created without a transport or without a resolver.
"""

from imdskit.verify.aia.budget import FetchBudget
from imdskit.verify.aia.contract import Resolver, Response, Target, Transport
from imdskit.verify.aia.fetcher import AiaFetcher
from imdskit.verify.aia.locations import LOCATIONS, Location

__all__ = ["LOCATIONS", "AiaFetcher", "FetchBudget", "Location", "Resolver", "Response", "Target", "Transport"]
