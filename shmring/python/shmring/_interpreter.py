# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refuses interpreters that the extension module cannot serve: a sub-interpreter, where it would wait for ever for the GIL, which it takes as the
main interpreter's, and another Python than it was built for.
"""

import importlib
import importlib.machinery
import os
import sys


def is_main() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):  # of Python 3.13, and of those before
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        return interpreters.get_current() == interpreters.get_main()
    return True  # a Python that cannot make any


def other_python() -> str:
    """The interpreters that the extension module was built for, where this one is none of them."""
    names = [name for name in os.listdir(os.path.dirname(__file__)) if name.startswith("_shmring.") and name.endswith(".so")]
    if any("_shmring" + suffix in names for suffix in importlib.machinery.EXTENSION_SUFFIXES):
        return ""
    return " and ".join(sorted(name.split(".")[1] for name in names))


if not is_main():
    raise ImportError("shmring works in the main interpreter of a process only, not in a sub-interpreter; use threads or processes "
                      "(mod_wsgi: WSGIApplicationGroup %{GLOBAL})")
try:
    from . import _shmring  # noqa: F401
except ImportError:
    if not other_python():
        raise
    raise ImportError(f"shmring in {os.path.dirname(__file__)} was built for {other_python()}, and {sys.executable} is Python "
                      f"{sys.version_info[0]}.{sys.version_info[1]}; use that Python, as /usr/bin/python3, or install shmring for this one "
                      "with pip") from None
