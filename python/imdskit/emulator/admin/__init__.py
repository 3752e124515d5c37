"""The admin API: another port, where a test or a person changes and watches what clients see. It knows a host and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imdskit.emulator.admin.server import Admin
    from imdskit.emulator.host import Host


def open_admin(host: Host, port: int | None, token: str | None) -> Admin | None:
    """Return the admin API of a host on a port, or None if ``port`` is None. See :class:`imdskit.emulator.admin.server.Admin`."""
    if port is None:
        return None
    from imdskit.emulator.admin.server import Admin  # 6 % of the time to import the emulator, and most have no admin API

    return Admin(host, port, token)
