# SPDX-License-Identifier: LGPL-2.1-or-later
"""The offsets and sizes in docs/abi.md are those of the code, and no field is missing there. Those of the C API are in golden/capi.layout.

usage: check_abi.py CXX
"""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

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


def missing(page, layout, messages=""):
    """Fields of the layout and of messages that the page does not name."""
    told = {(record, field) for record, field, _, _ in ROW.findall(page)}
    structures = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.M | re.S)
    records = structures.findall(layout) + [found for found in structures.findall(messages) if "  Head head;" in found[1]]
    for record, body in records:
        for field in re.findall(r"^  [\w:]+ (\w+)(?:\[[^;]*\])?;", body, re.M):
            if field not in ("reserved", "head") and (record, field) not in told:
                yield f"docs/abi.md says nothing of {record}.{field}"


def capi_layout(cxx):
    """Every structure of the C API with its size, every field with offset and size, as the compiler has them."""
    lines = []
    for header in ("types.h", "publisher.h", "reader.h", "results.h"):
        text = (ROOT / "shmring/include/shmring" / header).read_text(encoding="utf-8")
        for record, body in re.findall(r"^typedef struct (\w+) \{\n(.*?)^\} \1;", re.sub(r"/\*.*?\*/", "", text, flags=re.S), re.M | re.S):
            lines.append(f'std::printf("{record} %zu\\n", sizeof({record}));')
            for field in re.findall(r"(\w+)(?:\[\w+\])?\s*;", body):
                lines.append(f'std::printf("  {field} %zu %zu\\n", offsetof({record}, {field}), sizeof({record}::{field}));')
    program = "#include <cstddef>\n#include <cstdio>\n#include <shmring/shmring.h>\nint main() {\n" + "\n".join(lines) + "\n}\n"
    with tempfile.TemporaryDirectory() as folder:
        built = pathlib.Path(folder) / "layout"
        subprocess.run([*shlex.split(cxx), "-std=c++20", "-I", str(ROOT / "shmring/include"), "-x", "c++", "-", "-o", str(built)],
                       input=program, text=True, check=True)
        return subprocess.run([built], text=True, capture_output=True, check=True).stdout


def main(cxx):
    page = (ROOT / "docs/abi.md").read_text(encoding="utf-8")
    lines = assertions(page)
    program = "\n".join(["#include <cstddef>", '#include "abi/layout.hpp"', '#include "abi/wire.hpp"',
                         "namespace shmring { using namespace wire; }", *lines, ""])
    compiled = subprocess.run([*shlex.split(cxx), "-std=c++20", "-fsyntax-only", "-Wno-invalid-offsetof", "-I", str(ROOT / "shmring"),
                               "-I", str(ROOT / "shmring/include"), "-x", "c++", "-"],
                              input=program, text=True, capture_output=True, check=False)
    tap = Tap()
    tap.check(f"{len(lines)} offsets, sizes and types of docs/abi.md are the code's",
              [line for line in compiled.stderr.splitlines() if "error" in line] if compiled.returncode else "")
    headers = [(ROOT / "shmring" / name).read_text(encoding="utf-8") for name in ("abi/layout.hpp", "abi/wire.hpp")]
    tap.check("docs/abi.md names every field", missing(page, *headers))
    tap.check("docs/abi.md has them", "" if len(lines) > 100 else f"only {len(lines)} found: has the page another form now?")
    tap.golden("capi.layout", capi_layout(cxx))
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
