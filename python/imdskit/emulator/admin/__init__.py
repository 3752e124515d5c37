"""The admin API, on a separate port. Through this API, a test or a person can observe the requests
of the emulator's clients, and change what these clients see."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imdskit.emulator.admin.server import Admin
    from imdskit.emulator.host import Host
    from imdskit.emulator.options import Options


def open_admin(host: Host, options: Options) -> Admin | None:
    """Return the admin API of a host, or None if the options have no port for it.

    See :class:`imdskit.emulator.admin.server.Admin`.
    """
    if options.admin_port is None:
        return None
    from imdskit.emulator.admin.server import Admin  # Importing it only here saves 6 % of the emulator's import time.

    return Admin(host, options.admin_port, options.admin_token, options.admin_host, options.admin_allow_hosts)
