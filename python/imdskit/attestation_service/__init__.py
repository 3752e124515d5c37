"""Attestation service: an HTTP service that verifies attested documents for programs in any
language.

This package contains the WSGI application (PEP 3333), and its keys, limits, audit log and metrics.
The application verifies documents with :mod:`imdskit.verify`. ``docs/attestation-service.md``
describes the service. All modules of this package are internal, except :mod:`.wsgi`.
"""

from imdskit.attestation_service.application import Application
from imdskit.attestation_service.configuration.settings import Settings

__all__ = ["Application", "Settings"]
