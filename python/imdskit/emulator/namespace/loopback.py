"""Configuration of the loopback interface in the network namespace of this process: its state and
its addresses.

Source: rtnetlink(7), netdevice(7).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from imdskit.emulator.http.host_header import SERVICE

NAME = "lo"

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
"""The constants SIOCGIFFLAGS, SIOCSIFFLAGS and IFF_UP."""
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESSES = 20, 21, 22
"""The constants RTM_NEWADDR, RTM_DELADDR and RTM_GETADDR."""
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _DUMP, _CREATE = 0x1, 0x4, 0x200, 0x300, 0x400
"""The constants NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_DUMP and NLM_F_CREATE."""
_ERROR, _DONE = 2, 3
"""The constants NLMSG_ERROR and NLMSG_DONE."""
_ADDRESS, _LOCAL, _HOST_SCOPE = 1, 2, 254
"""The constants IFA_ADDRESS, IFA_LOCAL and RT_SCOPE_HOST."""
_HEADER = struct.Struct("=LHHLL")
"""The struct nlmsghdr: length, type, flags, sequence number and port."""


def bring_up() -> None:
    """Bring the interface up. The kernel then adds 127.0.0.1 and ::1. Raise OSError on failure."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", NAME.encode(), 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _GET_FLAGS, request))[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", NAME.encode(), flags | _UP))


def add(address: str = SERVICE) -> None:
    """Add an IPv4 address with a prefix of 32 bits. Raise OSError on failure."""
    _request(_NEW_ADDRESS, _CREATE | _EXCLUSIVE, address)


def remove(address: str = SERVICE) -> None:
    """Remove an address. Do nothing if the interface does not have it. Raise OSError on failure."""
    try:
        _request(_DELETE_ADDRESS, 0, address)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise


def is_local(address: str = SERVICE) -> bool:
    """Return whether an interface of this network namespace has the IPv4 address.

    Raise OSError on failure.

    Binding a socket would not answer this question, because a namespace whose interfaces are all
    down accepts every address.
    """
    packed = socket.inet_aton(address)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        body = struct.pack("=BBBBL", socket.AF_INET, 0, 0, 0, 0)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _GET_ADDRESSES, _REQUEST | _DUMP, 1, 0) + body)
        while True:
            reply = netlink.recv(1 << 16)
            start = 0
            while start < len(reply):
                length, kind = _HEADER.unpack_from(reply, start)[:2]
                if kind in (_DONE, _ERROR):
                    return False
                if _local_address(reply[start + _HEADER.size : start + length]) == packed:
                    return True
                start += (length + 3) & ~3


def _local_address(message: bytes) -> bytes:
    """Return the attribute IFA_LOCAL that follows a struct ifaddrmsg, or ``b""`` if there is none."""
    start = 8
    while start + 4 <= len(message):
        length, name = struct.unpack_from("=HH", message, start)
        if name == _LOCAL:
            return message[start + 4 : start + length]
        start += max(4, (length + 3) & ~3)
    return b""


def _request(kind: int, flags: int, address: str) -> None:
    packed = socket.inet_aton(address)
    attributes = b"".join(struct.pack("=HH4s", 8, name, packed) for name in (_LOCAL, _ADDRESS))
    body = struct.pack("=BBBBL", socket.AF_INET, 32, 0, _HOST_SCOPE, socket.if_nametoindex(NAME)) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACKNOWLEDGE | flags, 1, 0) + body)
        reply = netlink.recv(4096)
    number = -struct.unpack_from("=l", reply, _HEADER.size)[0]  # A struct nlmsgerr begins with a negative errno, or 0 for success.
    if number:
        raise OSError(number, os.strerror(number))
