# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container's liveness probe: fails only if the manager says that this worker is ill. A manager that is away says nothing.

    python3 -m surveillance.web.probe http://127.0.0.1:8088/healthz/front/person
"""

import sys
import urllib.error
import urllib.request


def main(*words: str) -> int:
    """Only a plain 503 is an illness: a mistake in here, or an answer of something else, must not end a worker."""
    if len(words) != 1:
        print("one address is needed: http://HOST:PORT/healthz/CAMERA/WORKER")
        return 0
    address, = words
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address, timeout=5) as answer:
            print(answer.read(500).decode(errors="replace").strip())
            return 0
    except urllib.error.HTTPError as error:
        print(error.read(500).decode(errors="replace").strip())
        return 1 if error.code == 503 else 0
    except Exception as error:
        print(f"the manager does not answer: {type(error).__name__}: {error}")
        return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
