"""Fetching the certificate of an issuer from the address that a certificate names (RFC 5280 section 4.2.2.1, "AIA"). Opt-in.

``Verifier(..., aia=AiaFetcher())`` asks only after a document's signature has been checked and only if an issuer is unknown; what is fetched is
a hint like any other intermediate and trusted by nobody. Importing this package imports no HTTP: ``transport`` does, which is imported when
a fetcher is made without a transport or resolver of the caller's.
"""

from imdskit.verify.aia.budget import FetchBudget
from imdskit.verify.aia.contract import Resolver, Response, Target, Transport
from imdskit.verify.aia.fetcher import AiaFetcher
from imdskit.verify.aia.locations import LOCATIONS, Location

__all__ = ["LOCATIONS", "AiaFetcher", "FetchBudget", "Location", "Resolver", "Response", "Target", "Transport"]
