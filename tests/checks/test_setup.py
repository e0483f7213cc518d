# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two set-up commands where nothing is installed: dpkg-query knows no package, apt-get is this test's."""
import os
import pathlib
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = [line.split() for line in (ROOT / ".ci/packages").read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]

# Under the options of examples/demo and under those of tests/run.
STRICT, LAX = "set -euo pipefail", "set -uo pipefail"


def sourced(options, commands, tmp_path, **tools):
    """Runs shell commands behind .ci/setup.sh; `tools` are scripts that stand in for commands of these names."""
    for name, body in tools.items():
        tool = tmp_path / name.replace("_", "-")
        tool.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        tool.chmod(0o755)
    script = f"{options}\n. {ROOT}/.ci/setup.sh\n{commands}\necho went on\n"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60,
                          env=dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}", LOG=str(tmp_path / "log")))


def of(*groups):
    return sorted({package for group, package in PACKAGES if group in groups})


@pytest.mark.parametrize("options", [STRICT, LAX])
def test_all_packages_are_installed_where_none_is_known(options, tmp_path):
    said = sourced(options, 'install_packages "$LOG" build run', tmp_path, dpkg_query="exit 1", id="echo 0",
                   apt_get=f'echo "$@" >>{tmp_path}/asked')
    assert said.returncode == 0 and "went on" in said.stdout, said.stdout + said.stderr
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert asked[0].endswith("update")
    assert sorted(set(asked[-1].split()) & set(of("build", "run"))) == of("build", "run")


@pytest.mark.parametrize("options", [STRICT, LAX])
def test_only_what_is_missing_is_installed(options, tmp_path):
    known = "\n".join(f"echo installed {package}" for package in of("build", "run") if package != "meson")
    said = sourced(options, "missing_packages build run", tmp_path, dpkg_query=f"{known}\nexit 1")
    assert said.stdout.split("\n")[:2] == ["meson", "went on"], said.stdout + said.stderr


@pytest.mark.parametrize("options", [STRICT, LAX])
def test_nothing_is_asked_of_apt_where_all_is_there(options, tmp_path):
    known = "\n".join(f"echo installed {package}" for package in of("build"))
    said = sourced(options, 'install_packages "$LOG" build', tmp_path, dpkg_query=known, apt_get="exit 1")
    assert said.stdout == "went on\n" and said.returncode == 0


SHELL_TOOLS = {name: f'exec /usr/bin/{name} "$@"' for name in
               ("sed", "sort", "comm", "tr", "dirname", "cat", "awk", "tail", "cut", "env")}
LINE = "  apt-get update && apt-get install --no-install-recommends "


def lines_for_root(said):
    return [line.removeprefix(LINE).split() for line in said.stderr.splitlines() if line.startswith(LINE)]


@pytest.mark.parametrize("sudo", [{}, {"sudo": 'echo "sudo: a password is required" >&2; exit 1'}], ids=["no sudo", "sudo refuses"])
def test_a_user_without_rights_is_given_the_line_for_root(sudo, tmp_path):
    said = sourced(STRICT, 'PATH=${PATH%%:*}:/nowhere; install_packages "$LOG" build || exit 3', tmp_path, dpkg_query="exit 1",
                   id="echo 1000", apt_get="exit 0", **SHELL_TOOLS, **sudo)
    assert said.returncode == 3
    assert [sorted(packages) for packages in lines_for_root(said)] == [of("build")], said.stdout + said.stderr
    assert ("password is required" in said.stderr) == bool(sudo)


def test_how_much_is_fetched_is_said_before_it_is(tmp_path):
    apt_get = """case "$*" in
  *print-uris*) echo "'http://x/a.deb' a.deb 1500000 SHA256:0"; echo "'http://x/b.deb' b.deb 3000000 SHA256:0" ;;
  *install*) echo "installed now" >>"$SAID" ;;
esac"""
    command = 'export SAID=/proc/$$/fd/1; install_packages "$LOG" build'
    said = sourced(STRICT, command, tmp_path, dpkg_query="exit 1", id="echo 0", apt_get=apt_get)
    lines = said.stdout.splitlines()
    assert lines[0].startswith("installing: ") and lines[1:] == ["    that is 4 MB to fetch", "installed now", "went on"], said.stderr


def test_what_apt_says_is_shown_when_it_fails(tmp_path):
    said = sourced(STRICT, 'install_packages "$LOG" build || exit 4', tmp_path, dpkg_query="exit 1", id="echo 0",
                   apt_get='echo "E: no network"; exit 100')
    assert said.returncode == 4 and "E: no network" in said.stderr


def test_the_status_of_what_is_followed_is_its_own(tmp_path):
    assert "status 7" in sourced(STRICT, 'follow "$LOG" sh -c "exit 7" || echo status $?', tmp_path).stdout
    assert "status 0" in sourced(STRICT, 'follow "$LOG" true; echo status $?', tmp_path).stdout


def test_the_forge_runs_scripts_that_are_there():
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    commands += [hook["entry"] for repository in hooks["repos"] for hook in repository["hooks"]]
    programs = {shlex.split(command)[0] for command in commands}
    assert {".ci/run", ".ci/tidy", ".ci/quick"} <= programs
    assert not [program for program in programs if "/" in program and not os.access(ROOT / program, os.X_OK)]
