"""Application object for a WSGI server, such as
``gunicorn imdskit.attestation_service.wsgi:application``. Environment variables configure it.

Importing this module reads the configuration and opens the store. No other module imports it.
"""

from __future__ import annotations

from imdskit.attestation_service.application import Application
from imdskit.attestation_service.configuration.settings import Settings

application = Application(Settings.read())

__all__ = ["application"]
