"""Optional download of issuer certificates from the addresses that certificates name ("AIA", RFC 5280 section 4.2.2.1).

A verifier never uses the network unless it is created with ``Verifier(..., aia=AiaFetcher())``. It then calls the fetcher only if the
signature of a document is good and an issuer is unknown. A fetched certificate is treated like any other intermediate: it is not trusted,
it only helps to build a path to a trust anchor.

Importing this package imports no network code. The module ``transport`` does, but it is imported only if an :class:`AiaFetcher` is created
without a transport or without a resolver.
"""

from imdskit.verify.aia.budget import FetchBudget
from imdskit.verify.aia.contract import Resolver, Response, Target, Transport
from imdskit.verify.aia.fetcher import AiaFetcher
from imdskit.verify.aia.locations import LOCATIONS, Location

__all__ = ["LOCATIONS", "AiaFetcher", "FetchBudget", "Location", "Resolver", "Response", "Target", "Transport"]
