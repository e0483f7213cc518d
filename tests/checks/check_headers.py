# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every header compiles alone: the installed ones as C11 and as C++20 with nothing else, the others as C++20. The
installed ones with clang as well, where there is one.

usage: check_headers.py CC CXX
"""
import concurrent.futures
import os
import shlex
import shutil
import subprocess
import sys

from tap import ROOT, Tap, sources

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]


def compile_alone(header, command):
    said = subprocess.run([*command, "-"], input=f'#include "{ROOT / header}"\n', capture_output=True, text=True, check=False)
    return said.stderr[:2000] if said.returncode else ""


def main(cc, cxx):
    gstreamer = subprocess.run(["pkg-config", "--cflags", "gstreamer-video-1.0"], capture_output=True, text=True, check=True).stdout
    public = ["-I", str(ROOT / "shmring/include")]
    as_c = [*shlex.split(cc), "-x", "c", "-std=c11", "-Wpedantic", *WARNINGS, *public]
    as_cpp = [*shlex.split(cxx), "-x", "c++", "-std=c++20", *WARNINGS, *public]
    inner = [*as_cpp, "-I", str(ROOT / "shmring")]
    element = [*inner, "-I", str(ROOT / "gst"), *shlex.split(gstreamer.replace("-I", "-isystem "))]

    jobs = [(f"{name} as C11", name, as_c) for name in sources("shmring/include/**.h")]
    jobs += [(f"{name} as C++20", name, [*as_cpp, "-Wpedantic"]) for name in sources("shmring/include/**.h", "shmring/include/**.hpp")]
    if clang := next(filter(shutil.which, ("clang", "clang-14")), None):
        cplusplus = clang.replace("clang", "clang++")
        jobs += [(f"{name} as C11, clang", name, [clang, *as_c[len(shlex.split(cc)):]]) for name in sources("shmring/include/**.h")]
        jobs += [(f"{name} as C++20, clang", name, [cplusplus, *as_cpp[len(shlex.split(cxx)):], "-Wpedantic"])
                 for name in sources("shmring/include/**.h", "shmring/include/**.hpp")]
    layers = ("abi", "lane", "os", "publisher", "reader", "results", "capi")
    jobs += [(f"{name} as C++20", name, inner) for layer in layers for name in sources(f"shmring/{layer}/**.hpp") or [f"shmring/{layer}"]]
    jobs += [(f"{name} as C++20", name, element) for name in sources("gst/**.hpp", "gst/**.h")]
    tap = Tap()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (title, _, _), problem in zip(jobs, pool.map(lambda job: compile_alone(job[1], job[2]), jobs)):
            tap.check(title, problem)
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
