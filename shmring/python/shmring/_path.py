# SPDX-License-Identifier: LGPL-2.1-or-later
"""The path of a publisher's socket, as callers give it, and the name of a worker that they give none."""

import os
import sys
import warnings

from ._errors import Invalid
from ._shmring import check_path


def path_of(path):
    """The path's bytes, of a string or a path object."""
    try:
        return os.fsencode(path)
    except TypeError:
        raise TypeError(f"socket_path is that of the publisher's socket, a string or a pathlib.Path, not {type(path).__name__}") from None


def warn_of_path(path):
    """Says once that no publisher can be at the path; a reader that reconnects waits nevertheless, since it may be made yet."""
    try:
        check_path(path)
    except Invalid as error:
        warnings.warn(f"{error} (the reader waits for it)", RuntimeWarning, stacklevel=3)


def worker_name():
    """The program's name and process number."""
    program = os.path.basename(sys.argv[0] if sys.argv else "") or "python"
    return f"{program.encode(errors='ignore')[:40].decode(errors='ignore')}-{os.getpid()}"
