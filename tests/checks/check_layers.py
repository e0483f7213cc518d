# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each folder may include only what lies below it: no arrow of docs/architecture.md points up. In gst/ no two parts, each
a source file with its header, need each other.

usage: check_layers.py
"""
import graphlib
import os
import re

from tap import ROOT, Tap, sources

POSIX = r"(sys|linux|netinet|arpa|net)/.*|(unistd|fcntl|poll|pthread|sched|signal|semaphore|dirent|spawn|mqueue|dlfcn|grp|pwd|execinfo)\.h|csignal"
GSTREAMER = r"gst/.*|glib.*|gio/.*|gobject/.*|gmodule.*"
STANDARD = r"[a-z_]+"  # <vector>; POSIX and clocks are not of this form, or named below
C_STANDARD = r"(assert|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|time)\.h"
CLOCKS = r"chrono|ctime|time\.h"
THREADS = r"thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch"
STREAMS = r"iostream|fstream|sstream|filesystem|cstdio"
PUBLIC = r"shmring/(shmring|fields|types|publisher|reader|results|inspect|version)\.hp?p?"

# The client's threads wait on descriptors; memory, connections and files are made and mapped by transport only.
WAITING = r"poll\.h|sys/(epoll|eventfd|timerfd|inotify|socket|random)\.h|unistd\.h|signal\.h|pthread\.h"
PURE = r"os/(clock|log|spin_lock)\.hpp"  # the one clock and the log of all layers, and what waits without the kernel

# folder: what it may include (all of the name), and what not although it matches. The most specific folder rules.
ELEMENT = [r"base/.*", r"(abi|lane|publisher|reader|results)/.*", PURE, PUBLIC, GSTREAMER, STANDARD, r"pthread\.h"]  # threads have names
RULES = {
    "shmring/include": ([PUBLIC, STANDARD, C_STANDARD], []),
    "shmring/abi": ([r"abi/.*", r"shmring/types\.h", STANDARD, C_STANDARD], [CLOCKS, THREADS, r"iostream|fstream|sstream|filesystem"]),
    "shmring/lane": ([r"(abi|lane)/.*", STANDARD], [CLOCKS, THREADS, STREAMS]),
    "shmring/os": ([r"(abi|lane|os)/.*", r"shmring/types\.h", STANDARD, C_STANDARD, POSIX], []),
    "shmring/publisher": ([r"(abi|lane|os|publisher)/.*", PUBLIC, STANDARD, WAITING], []),
    "shmring/reader": ([r"(abi|lane|os|reader)/.*", PUBLIC, STANDARD, WAITING], []),
    "shmring/results": ([r"results/.*", r"shmring/types\.h", r"nlohmann/.*", STANDARD], [CLOCKS, THREADS, STREAMS]),
    "shmring/capi": ([r"(abi|publisher|reader|results|capi)/.*", PURE, PUBLIC, STANDARD], []),
    "shmring/python": ([r"pybind11/.*", PUBLIC, STANDARD, r"(Python|pthread)\.h"], []),
    "shmring/tools": ([r"(CLI|fmt|nlohmann)/.*", PUBLIC, STANDARD, C_STANDARD, POSIX, r"termios\.h"], []),
    "gst/base": (ELEMENT, []),
    "gst/framehealth": ([*ELEMENT, r"framehealth/.*"], []),
    "gst/latestframe": ([*ELEMENT, r"latestframe/.*"], []),
    "gst/resultjoin": ([*ELEMENT, r"resultjoin/.*"], []),
    "gst/ring": ([*ELEMENT, r"ring/.*"], []),
}
# (file, header): why this one all the same.
EXCEPTIONS = {
    ("shmring/python/command.cpp", "command.hpp"): "the command itself, of shmring/tools",
    ("shmring/reader/publisher_locator.hpp", "sys/stat.h"): "whether the path has another publisher's file by now",
    ("shmring/publisher/frame_copy.cpp", "emmintrin.h"): "stores past the caches",
    ("gst/latestframe/event_count.hpp", "linux/futex.h"): "one broadcast wakes every branch; std::atomic::notify_all cannot bound its wait",
    ("gst/latestframe/event_count.hpp", "sys/syscall.h"): "the same",
    ("gst/latestframe/event_count.hpp", "unistd.h"): "the same",
    ("gst/latestframe/fanout.cpp", "sys/prctl.h"): "a sleep that ends before the next frame needs a small timer slack",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.M)


def rule_for(path):
    folder = max((folder for folder in RULES if path.startswith(folder + "/")), key=len, default=None)
    return RULES.get(folder)


def problems(path, text):
    """Includes of the file that are not allowed."""
    rule = rule_for(path)
    if rule is None:
        return []
    allowed, denied = rule
    found = []
    for match in INCLUDE.finditer(text):
        name = match.group(2)
        if match.group(1) == '"' and (ROOT / path).parent.joinpath(name).is_file():
            continue  # its own folder
        fits = any(re.fullmatch(pattern, name) for pattern in allowed)
        if (path, name) in EXCEPTIONS:
            continue
        if not fits or any(re.fullmatch(pattern, name) for pattern in denied):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path}:{line}: includes {name}")
    return found


def circle(texts, root="gst"):
    """The first circle of parts that include each other, of files {path: text}; [] if there is none."""
    parts = {path: os.path.splitext(path)[0] for path in texts}
    graph = {part: set() for part in parts.values()}
    for path, text in texts.items():
        for _, name in INCLUDE.findall(text):
            for included in (f"{root}/{name}", os.path.join(os.path.dirname(path), name)):
                if parts.get(included, parts[path]) != parts[path]:
                    graph[parts[path]].add(parts[included])
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def main():
    tap = Tap()
    files = sources("*.h", "*.hpp", "*.c", "*.cpp")
    for folder in RULES:
        own = [name for name in files if rule_for(name) is RULES[folder]]
        tap.check(f"{folder} includes only what lies below it",
                  [problem for name in own for problem in problems(name, (ROOT / name).read_text(encoding="utf-8"))]
                  or ([] if own else [f"{folder} has no files: the table has another folder's name"]))
    tap.check("each exception is needed", [f"{path} does not include {header}" for path, header in EXCEPTIONS
                                           if path not in files or header not in {name for _, name in INCLUDE.findall((ROOT / path).read_text())}])
    elements = {name: (ROOT / name).read_text(encoding="utf-8") for name in files if name.startswith("gst/")}
    tap.check("the parts of gst/ include each other in no circle", circle(elements))
    tap.done()


if __name__ == "__main__":
    main()
