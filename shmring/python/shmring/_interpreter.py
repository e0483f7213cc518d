# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refuses to be imported by a sub-interpreter: the extension module takes the GIL as the main interpreter's, and would wait for ever."""

import importlib


def is_main() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):  # of Python 3.13, and of those before
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        return interpreters.get_current() == interpreters.get_main()
    return True  # a Python that cannot make any


if not is_main():
    raise ImportError("shmring works in the main interpreter of a process only, not in a sub-interpreter; use threads or processes "
                      "(mod_wsgi: WSGIApplicationGroup %{GLOBAL})")
