# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every test file is built and run by `meson test`: none is forgotten.

usage: check_tests_registered.py BUILD
"""
import json
import os
import pathlib
import sys

from tap import ROOT, Tap, sources


def problem(name, compiled, commands):
    """Why the test file would not run, or nothing."""
    path = str(ROOT / name)
    if name.endswith(".py"):
        folders = [str(parent) for parent in pathlib.Path(path).parents if parent != ROOT and ROOT in parent.parents]
        run = any(path in command or any(folder in command for folder in folders) for command in commands)
        return "" if run else f"{name} is in no test() of a meson.build"
    programs = compiled.get(path, [])
    if not programs:
        return f"{name} is in no executable() of a meson.build"
    if not any(program in command for program in programs for command in commands):
        return f"{name} is compiled, but its program is in no test() of a meson.build"
    return ""


def main(build):
    info = pathlib.Path(build) / "meson-info"
    targets = json.loads((info / "intro-targets.json").read_text(encoding="utf-8"))
    tests = json.loads((info / "intro-tests.json").read_text(encoding="utf-8"))
    compiled = {}
    for target in targets:
        if target["type"] == "executable":
            for group in target["target_sources"]:
                for source in group.get("sources", []):
                    compiled.setdefault(os.path.normpath(source), []).extend(target["filename"])
    commands = [[os.path.normpath(word) for word in test["cmd"]] for test in tests]
    tap = Tap()
    for name in sources("tests/**/*_test.cpp", "tests/**/test_*.py", "examples/**/test_*.py"):
        tap.check(f"{name} is run", problem(name, compiled, commands))
    tap.done()


if __name__ == "__main__":
    main(sys.argv[1])
