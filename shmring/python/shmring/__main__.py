# SPDX-License-Identifier: LGPL-2.1-or-later
"""`python3 -m shmring`: the command `shmring`, which looks at live rings."""

import os
import signal
import sys


def main() -> int:
    try:
        from ._command import run
    except ModuleNotFoundError:
        print("shmring: this build of the module is without the command: configure it with -Dtools=enabled", file=sys.stderr)
        return 2
    # As a program of its own would end: by Ctrl-C, and when what it writes to is closed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    return run(["shmring", *map(os.fsencode, sys.argv[1:])])


if __name__ == "__main__":
    sys.exit(main())
