# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table [web] of the configuration file: where the page is served, and by which names browsers may ask for it."""

import ipaddress
import re
from dataclasses import dataclass

from ..untrusted import short

MOST_NAMES = 256
NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True)
class Settings:
    host: str = "127.0.0.1"  # an address of this machine; "" = the page is not served
    port: int = 8088  # 0 = any that is free
    names: tuple[str, ...] = ()  # host names by which it may be asked for, beside localhost and addresses


def parse(table: dict) -> Settings:
    """Raises ValueError with a sentence."""
    table = dict(table)
    listen = table.pop("listen", "127.0.0.1:8088")
    names = table.pop("names", [])
    if table:
        raise ValueError(f"[web]: unknown key {short(sorted(table)[0])}")
    if not isinstance(names, list) or len(names) > MOST_NAMES \
            or not all(isinstance(name, str) and NAME.fullmatch(name.lower()) for name in names):
        raise ValueError(f"[web]: names = {short(names)}: a list of at most {MOST_NAMES} host names is needed, without ports")
    if listen == "":
        return Settings("", 0)
    host, port = _address(listen)
    return Settings(host, port, tuple(name.lower() for name in names))


def _address(listen) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":") if isinstance(listen, str) else ("", "", "")
    try:
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError
        if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
            raise ValueError
        return str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))), int(port)
    except ValueError:
        raise ValueError(f'[web]: listen = {short(listen)}: "ADDRESS:PORT" is needed, such as "127.0.0.1:8088", "[::1]:8088" or '
                         f'"0.0.0.0:8088"; "" serves nothing') from None
