# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every shell script is what shellcheck thinks right. A script that needs an exception says so, with its reason, in a directive.

usage: check_shell.py
"""
import shutil
import subprocess

from tap import ROOT, Tap, programs


def problems(names):
    said = subprocess.run(["shellcheck", "--external-sources", "--format=gcc", *names], cwd=ROOT, capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).splitlines()


def main():
    tap = Tap()
    if not shutil.which("shellcheck"):
        tap.skip("shellcheck is not installed")
        return
    scripts = programs({"sh", "bash"}, "*.sh")
    tap.check("shellcheck finds nothing", problems(scripts))
    tap.check("the scripts are found", "" if "tests/run" in scripts and ".ci/setup.sh" in scripts else f"only {scripts}")
    tap.done()


if __name__ == "__main__":
    main()
