# SPDX-License-Identifier: LGPL-2.1-or-later
"""Properties of every file: its licence, its purpose, its size, nothing left unfinished; with clang-format
given, its layout too.

usage: check_style.py [CLANG_FORMAT]
"""
import re
import subprocess
import sys

from tap import ROOT, Tap, sources

MOST_LINES = 600
CODE = ["*.c", "*.cpp", "*.h", "*.hpp", "*.py", "*.pyi"]
PURPOSE = re.compile(r"(//|/\*|\*|#|\"\"\").*\w+ \w+ \w+")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")


def told_by_its_header(name):
    return name.endswith(".cpp") and (ROOT / name).with_suffix(".hpp").is_file()


def problems(name, text):
    lines = text.splitlines()
    found = []
    if len(lines) > MOST_LINES:
        found.append(f"{name}: {len(lines)} lines; is it one thing?")
    if "SPDX-License-Identifier: LGPL-2.1-or-later" not in "\n".join(lines[:3]):
        found.append(f"{name}: no licence line at the top")
    elif not told_by_its_header(name) and not PURPOSE.search("\n".join(line for line in lines[:6] if "SPDX" not in line)):
        found.append(f"{name}: no first comment that says what the file is for")
    found += [f"{name}:{number}: unfinished" for number, line in enumerate(lines, 1) if UNFINISHED.search(line)]
    found += [f"{name}:{number}: tab or trailing space" for number, line in enumerate(lines, 1) if re.search(r"\t|[ \t]$", line)]
    return found


def main(clang_format=None):
    tap = Tap()
    names = sources(*CODE)
    tap.check("every file says what it is for, is finished and not too long",
              [problem for name in names for problem in problems(name, (ROOT / name).read_text(encoding="utf-8"))])
    if clang_format:
        cpp = [name for name in names if not name.endswith((".py", ".pyi"))]
        said = subprocess.run([clang_format, "--dry-run", "-Werror", *cpp], cwd=ROOT, capture_output=True, text=True, check=False)
        tap.check("every file is laid out as .clang-format says", sorted(set(re.findall(r"^[^:\n]+:\d+", said.stderr, re.M))))
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
