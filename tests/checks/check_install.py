# SPDX-License-Identifier: LGPL-2.1-or-later
"""`meson install` puts everything where a program finds it: the list of files equals golden/installed.txt, pkg-config's answer is
enough to compile and run a program, GStreamer loads the plugins and Python the module from there.

usage: check_install.py BUILD CC
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile

from tap import ROOT, Tap

PROGRAM = """
#include <shmring/shmring.h>
#include <stdio.h>
int main(void) { return puts(shmring_status_name(SHMRING_FULL)) < 0; }
"""


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def problem(said, expected=""):
    return "" if said.returncode == 0 and expected in said.stdout else f"{shlex.join(said.args)}\n{said.stdout}{said.stderr}"


def main(build, cc):
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "root"
        installed = run("meson", "install", "-C", build, "--no-rebuild", "--destdir", str(root))
        tap.check("meson install", problem(installed))
        files = sorted("/" + str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
        shorter = (re.sub(r"/(usr/local|usr)/", "PREFIX/", name) for name in files)
        shorter = (re.sub(r"lib/[^/]+-linux-gnu/", "lib/", name) for name in shorter)
        shorter = (re.sub(r"python3[.\d]*/", "python3/", re.sub(r"\.cpython-[^/]*\.so", ".so", name)) for name in shorter)
        tap.golden("installed.txt", "".join(sorted(f"{name}\n" for name in shorter)))

        def find(name):
            return next((root / path[1:] for path in files if pathlib.PurePath(path).match(name)), root / "missing")

        libraries = find("libshmring.so").parent
        environment = dict(os.environ, PKG_CONFIG_PATH=str(find("shmring.pc").parent), PKG_CONFIG_SYSROOT_DIR=str(root),
                           LD_LIBRARY_PATH=str(libraries))
        environment.pop("GST_PLUGIN_PATH", None)
        environment.pop("PYTHONPATH", None)
        flags = run("pkg-config", "--cflags", "--libs", "shmring", env=environment)
        tap.check("pkg-config knows shmring", problem(flags))
        source = pathlib.Path(folder) / "program.c"
        source.write_text(PROGRAM, encoding="utf-8")
        program = source.with_suffix("")
        compiled = run(*shlex.split(cc), str(source), "-o", str(program), *shlex.split(flags.stdout))
        tap.check("a C program compiles with what pkg-config says", problem(compiled))
        if compiled.returncode == 0:
            tap.check("and runs", problem(run(str(program), env=environment), "full"))

        # The end of `meson install`, where it goes into the system and not into a package's tree.
        nowhere = [f"/opt/nowhere/{part}" for part in ("bin", "lib", "plugins")] + [sys.executable, "/opt/nowhere/python"]
        said = run("sh", "-c", '"$@"; exit', "meson", str(ROOT / ".ci/after-install"), *nowhere,
                   env={"PATH": os.environ["PATH"], "PYTHONPATH": "/opt/nowhere/python"})
        exports = [line for line in said.stderr.splitlines() if line.startswith("  export ")]
        variables = ("PATH", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "GST_PLUGIN_PATH", "PYTHONPATH")
        complete = said.returncode == 0 and len(exports) == 1 and all(f" {name}=/opt/nowhere/" in exports[0] for name in variables)
        tap.check("the line that a prefix of one's own needs is printed, whatever this shell has set",
                  "" if complete else said.stdout + said.stderr)

        plugins = {str((root / path[1:]).parent) for path in files if "/gstreamer-1.0/" in path}
        environment.update(GST_PLUGIN_PATH=":".join(plugins), GST_REGISTRY=str(pathlib.Path(folder) / "registry"))
        for element in ("latestframe", "shmringsink", "shmringsrc", "framehealth", "resultjoin"):
            shown = run("gst-inspect-1.0", "--no-colors", element, env=environment)
            tap.check(f"gst-inspect-1.0 shows the installed {element}", problem(shown, str(root)))

        if any("/shmring/__init__.py" in path for path in files):
            module = find("shmring/__init__.py").parent.parent
            said = run(sys.executable, "-c", "import shmring; print(shmring.__file__, shmring.Reader, shmring.Publisher)",
                       env=dict(environment, PYTHONPATH=str(module)), cwd=folder)
            tap.check(f"Python {sysconfig.get_python_version()} imports the installed module", problem(said, str(root)))
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
