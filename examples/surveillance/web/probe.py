# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container's liveness probe: fails only if the manager says that this worker is ill. A manager that is away says nothing.

    python3 -m surveillance.web.probe http://127.0.0.1:8088/healthz/front/person
"""

import sys
import urllib.error
import urllib.request


def main(address: str) -> int:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address, timeout=5) as answer:
            print(answer.read(500).decode(errors="replace").strip())
            return 0
    except urllib.error.HTTPError as error:
        print(error.read(500).decode(errors="replace").strip())
        return 1 if error.code == 503 else 0
    except OSError as error:
        print(f"the manager does not answer: {error}")
        return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
