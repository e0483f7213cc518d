# SPDX-License-Identifier: LGPL-2.1-or-later
"""All Python code is what flake8 thinks right, and the types of what is shipped agree, as mypy finds. setup.cfg configures both.

usage: check_python.py lint | types
"""
import importlib.util
import subprocess
import sys

from tap import ROOT, Tap, programs


def run(*command):
    """Findings of the tool, line by line."""
    said = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).splitlines() if said.returncode else []


def lint(tap):
    files = programs({"python3"}, "*.py", "*.pyi")
    tap.check("flake8 finds nothing", run("flake8", *files))
    tap.check("the files are found", "" if "tests/chaos/random/mutants" in files and len(files) > 100 else f"only {files}")


def types(tap):
    tap.check("mypy finds nothing", run("mypy", "--no-error-summary"))  # setup.cfg names what it reads


def main(which):
    tap = Tap()
    tool, check = {"lint": ("flake8", lint), "types": ("mypy", types)}[which]
    if importlib.util.find_spec(tool):
        check(tap)
        tap.done()
    else:
        tap.skip(f"{tool} is not installed")


if __name__ == "__main__":
    main(*sys.argv[1:])
