# SPDX-License-Identifier: LGPL-2.1-or-later
"""The offsets and sizes in docs/abi.md are those of the code, and no field is missing there.

usage: check_abi.py CXX
"""
import re
import shlex
import subprocess
import sys

from tap import ROOT, Tap

ROW = re.compile(r"^\| (\w+)(?:\.(\w+))? \| ?(\d*) \| ?(\d*) \|", re.M)
MESSAGE = re.compile(r"^\| ([A-Z]+) \| (\d+) \| [^|]+ \| [^|]+ \| (\d+)( \+)? \|", re.M)


def assertions(page):
    """C++ that compiles only if the page is right."""
    lines = []
    for record, field, offset, size in ROW.findall(page):
        where = f"{record}.{field}" if field else record
        if field:
            lines.append(f'static_assert(offsetof(shmring::{record}, {field}) == {offset}, "offset of {where}");')
        if size:
            subject = f"shmring::{record}::{field}" if field else f"shmring::{record}"
            lines.append(f'static_assert(sizeof({subject}) == {size}, "size of {where}");')
    for name, kind, size, _ in MESSAGE.findall(page):
        message = f"shmring::wire::{name.capitalize()}"
        lines.append(f'static_assert(sizeof({message}) == {size}, "size of {name}");')
        lines.append(f'static_assert(static_cast<int>({message}::kType) == {kind}, "type of {name}");')
    return lines


def missing(page, header):
    """Fields of the layout that the page does not name."""
    told = {(record, field) for record, field, _, _ in ROW.findall(page)}
    for record, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", header, re.M | re.S):
        for field in re.findall(r"^  [\w:]+ (\w+)(?:\[[^;]*\])?;", body, re.M):
            if field != "reserved" and (record, field) not in told:
                yield f"docs/abi.md says nothing of {record}.{field}"


def main(cxx):
    page = (ROOT / "docs/abi.md").read_text(encoding="utf-8")
    lines = assertions(page)
    program = '#include <cstddef>\n#include "core/layout.hpp"\n#include "transport/wire.hpp"\n' + "\n".join(lines) + "\n"
    compiled = subprocess.run([*shlex.split(cxx), "-std=c++20", "-fsyntax-only", "-Wno-invalid-offsetof", "-I", str(ROOT / "shmring"),
                               "-I", str(ROOT / "shmring/include"), "-x", "c++", "-"],
                              input=program, text=True, capture_output=True, check=False)
    tap = Tap()
    tap.check(f"{len(lines)} offsets, sizes and types of docs/abi.md are the code's",
              [line for line in compiled.stderr.splitlines() if "error" in line] if compiled.returncode else "")
    tap.check("docs/abi.md names every field", missing(page, (ROOT / "shmring/core/layout.hpp").read_text(encoding="utf-8")))
    tap.check("docs/abi.md has them", "" if len(lines) > 60 else f"only {len(lines)} found: has the page another form now?")
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
