# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exports of the built files: the library its C API, as listed in golden/libshmring.symbols, a plugin only its entry points.

usage: check_symbols.py LIBRARY [PLUGIN…]
"""
import pathlib
import re
import subprocess
import sys

from tap import ROOT, Tap


def exported(path):
    listed = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return sorted(line.split()[-1].split("@")[0] for line in listed.splitlines())


def main(library, *plugins):
    tap = Tap()
    names = exported(library)
    tap.golden("libshmring.symbols", "".join(name + "\n" for name in names))
    listed = re.findall(r"^ (\w+)@Base", (ROOT / "debian/libshmring0.symbols").read_text(encoding="utf-8"), re.M)
    tap.check("debian/libshmring0.symbols lists the same", sorted(set(names) ^ set(listed)))
    for plugin in plugins:
        strangers = [name for name in exported(plugin) if not re.fullmatch(r"gst_plugin_\w+_(get_desc|register)", name)]
        tap.check(f"{pathlib.Path(plugin).name} exports only its entry points", strangers[:20])
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
