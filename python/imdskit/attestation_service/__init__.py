"""Attestation service: an HTTP service that verifies attested documents for programs in any language.

This package contains the WSGI application (PEP 3333), its keys, limits, audit log and metrics. It uses :mod:`imdskit.verify` to verify
documents. ``docs/attestation-service.md`` describes the service. The modules of this package are internal, except :mod:`.wsgi`.
"""

from imdskit.attestation_service.application import Application
from imdskit.attestation_service.configuration.settings import Settings

__all__ = ["Application", "Settings"]
