# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each folder may include only what lies below it: no arrow of docs/architecture.md points up.

usage: check_layers.py
"""
import re

from tap import ROOT, Tap, sources

POSIX = r"(sys|linux|netinet|arpa|net)/.*|(unistd|fcntl|poll|pthread|sched|signal|semaphore|dirent|spawn|mqueue|dlfcn|grp|pwd|execinfo)\.h|csignal"
GSTREAMER = r"gst/.*|glib.*|gio/.*|gobject/.*|gmodule.*"
STANDARD = r"[a-z_]+"  # <vector>; POSIX and clocks are not of this form, or named below
C_STANDARD = r"(assert|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|time)\.h"
CLOCKS = r"chrono|ctime|time\.h"
THREADS = r"thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch"
STREAMS = r"iostream|fstream|sstream|filesystem|cstdio"
PUBLIC = r"shmring/(shmring|types|publisher|reader|inspect)\.hp?p?"

# folder: what it may include (all of the name), and what not although it matches. The most specific folder rules.
RULES = {
    "shmring/include": ([PUBLIC, C_STANDARD], []),
    "shmring/core": ([r"core/.*", r"shmring/types\.h", STANDARD], [CLOCKS, THREADS, STREAMS]),
    "shmring/transport": ([r"(core|transport)/.*", r"shmring/types\.h", STANDARD, C_STANDARD, POSIX], []),
    "shmring/client": ([r"(core|transport|client)/.*", PUBLIC, STANDARD], []),
    "shmring/capi": ([r"(core|client|capi)/.*", PUBLIC, STANDARD], []),
    "shmring/python": ([r"[a-z_]+\.hpp", r"pybind11/.*", PUBLIC, STANDARD, r"Python\.h"], []),
    "shmring/tools": ([r"[a-z_]+\.hpp", r"(CLI|fmt|nlohmann)/.*", PUBLIC, STANDARD, C_STANDARD, POSIX], []),
    "gst/common": ([r"common/.*", r"[a-z_]+\.hpp", r"(core|client)/.*", PUBLIC, GSTREAMER, STANDARD], []),
    "gst": ([r"common/.*", r"[a-z_]+\.hp?p?", r"(core|client)/.*", PUBLIC, GSTREAMER, STANDARD], []),
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+[<"]([^>"]+)[>"]', re.M)


def rule_for(path):
    folder = max((folder for folder in RULES if path.startswith(folder + "/")), key=len, default=None)
    return RULES.get(folder)


def problems(path, text):
    """What the file includes and may not."""
    rule = rule_for(path)
    if rule is None:
        return []
    allowed, denied = rule
    found = []
    for match in INCLUDE.finditer(text):
        name = match.group(1)
        fits = any(re.fullmatch(pattern, name) for pattern in allowed)
        if not fits or any(re.fullmatch(pattern, name) for pattern in denied):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path}:{line}: includes {name}")
    return found


def main():
    tap = Tap()
    files = sources("*.h", "*.hpp", "*.c", "*.cpp")
    for folder in RULES:
        own = [name for name in files if rule_for(name) is RULES[folder]]
        tap.check(f"{folder} includes only what lies below it",
                  [problem for name in own for problem in problems(name, (ROOT / name).read_text(encoding="utf-8"))])
    tap.done()


if __name__ == "__main__":
    main()
