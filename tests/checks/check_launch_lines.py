# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the commands that README, docs/ and the elements' sources show, for a few seconds, as a user would (see launch_lines.py).

usage: check_launch_lines.py [PAGE…]
"""
import concurrent.futures
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from launch_lines import markdown_sessions, source_sessions
from tap import ROOT, Tap, sources

SECONDS = 4.0  # a command may end by itself before
PATIENCE = 20.0  # for ending after SIGINT
COMPLAINTS = re.compile(r"^.*(WARNING: erroneous|ERROR: |CRITICAL|Traceback \(most recent|Segmentation).*$", re.M)


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "did not end after SIGINT"
    return ""


def begin(words, folder, output):
    with output.open("wb") as file:
        return subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)


def wait(started, folder):
    """Waits SECONDS. A command that failed while others run is given again, for PATIENCE: on a loaded machine it came before what it needs."""
    began = time.monotonic()
    while any(process.poll() is None for _, process, _ in started):
        failed = [place for place, (_, process, _) in enumerate(started) if process.poll()]
        if time.monotonic() - began > (PATIENCE if failed else SECONDS):
            return
        for place in failed:
            words, _, output = started[place]
            started[place] = words, begin(words, folder, output), output
        time.sleep(0.5 if failed else 0.05)


def run_session(commands):
    """Faults, one line each."""
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        started = []
        for number, words in enumerate(commands):
            output = pathlib.Path(folder) / f".output{number}"
            try:
                started.append((words, begin(words, folder, output), output))
            except OSError as error:
                problems.append(f"{shlex.join(words)}\n{error}")
                continue
            time.sleep(0.5 if len(commands) > 1 else 0)
        wait(started, folder)
        # Programs that ended by themselves must have ended well; the others end when asked, readers before publishers.
        for words, process, output in reversed(started):
            by_itself = process.poll()
            problem = end(process) or (f"exit {by_itself}" if by_itself else "")
            said = output.read_text(encoding="utf-8", errors="replace")
            complaint = COMPLAINTS.search(said)
            interrupted = by_itself is None and complaint and "KeyboardInterrupt" in said
            if problem or (complaint and not interrupted):
                problems.append(f"{shlex.join(words)}\n{problem}\n{said[-2000:]}")
    return problems


def sessions(names):
    for name in names:
        find = markdown_sessions if name.endswith(".md") else source_sessions
        for line, commands in find((ROOT / name).read_text(encoding="utf-8")):
            yield f"{name}:{line}", commands


def main(*pages):
    tap = Tap()
    found = list(sessions(pages or sources("README.md", "docs/**.md", "gst/**.cpp", "gst/**.hpp")))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (place, commands), problems in zip(found, pool.map(lambda session: run_session(session[1]), found)):
            tap.check(f"{place}: {len(commands)} commands", problems)
    tap.check("there are launch lines to run", "" if found or pages else "none found")
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
