"""The verification service: attested documents are verified over HTTP, for programs in any language.

What belongs here: HTTP (as a WSGI application, PEP 3333), keys, limits, the audit log and metrics. Whether a document is genuine is decided in
:mod:`imdskit.verify`. The page is ``docs/attestation-service.md``. The modules of this package are internal, except :mod:`.wsgi`.
"""

from imdskit.attestation_service.application import Application
from imdskit.attestation_service.configuration.settings import Settings

__all__ = ["Application", "Settings"]
