# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of requests, and headers of every answer: reading only, no foreign name, no foreign page.

A foreign site can make a browser on this machine ask for our address under its own name (DNS rebinding), and then reads the answer. It
needs a name for that: numeric addresses are always right, names only if they were given.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
                               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
LOCAL = frozenset({"localhost", "ip6-localhost"})


def is_own(authority: str | None, names: Iterable[str]) -> bool:
    """Tells whether `host` or `host:port` is a numeric address, this machine's own name for itself, or one of the given names."""
    if not authority:
        return False
    try:
        host = urlsplit(f"//{authority}").hostname
        if not host or "@" in authority or "/" in authority:
            return False
    except ValueError:
        return False
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        return host in LOCAL or host in names


def guard(names: Iterable[str]):
    """The middleware."""
    names = frozenset(names)

    @web.middleware
    async def check(request: web.Request, handler):
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="This page is for reading: GET and HEAD only.\n", headers={"Allow": "GET, HEAD"})
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not is_own(host, names):
            return web.Response(status=421, text="No page of that name here: add it to `names` in [web].\n")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return web.Response(status=403, text="Other sites may not read this.\n")
        return await handler(request)

    return check


async def headers(_request: web.Request, response: web.StreamResponse) -> None:
    """For on_response_prepare: errors and refusals have them too."""
    response.headers.update(HEADERS)
    response.headers.popall("Server", None)
