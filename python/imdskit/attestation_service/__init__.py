"""Attestation service: an HTTP service that verifies attested documents for programs in any
language. The documentation calls it the verification service.

This package contains the WSGI application (PEP 3333), and the code for its API keys, limits, audit
log and metrics. The application verifies documents with :mod:`imdskit.verify`.
``docs/attestation-service.md`` describes the service. The names in ``__all__`` and the module
:mod:`.wsgi` are public. All other modules of this package are internal.
"""

from imdskit.attestation_service.application import Application
from imdskit.attestation_service.configuration.settings import Settings

__all__ = ["Application", "Settings"]
