# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Test Anything Protocol, so that each finding of a check is a test of its own for Meson."""
import fnmatch
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, name, problems=()):
        """One test: passed if there are no problems (sentences)."""
        problems = list(filter(None, [problems] if isinstance(problems, str) else problems))
        self.count += 1
        self.failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for problem in problems:
            print("\n".join(f"#   {line}" for line in problem.splitlines()), flush=True)

    def golden(self, name, text):
        """One test: the text equals golden/NAME, or the file of that whole path; UPDATE_GOLDEN=1 accepts what is there now."""
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        if expected == text:
            self.check(path.name)
            return
        difference = subprocess.run(["diff", "-u", "--label", name, "--label", "now", str(path) if path.exists() else "/dev/null", "-"],
                                    input=text, text=True, capture_output=True, check=False).stdout
        self.check(path.name, f"{difference}If this is meant: UPDATE_GOLDEN=1 meson test --suite checks")

    def skip(self, reason):
        """The whole check is left out."""
        print(f"1..0 # SKIP {reason}")

    def done(self):
        print(f"1..{self.count}")


def sources(*patterns):
    """Files of the project that match the patterns: what git knows or could know, in order."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:  # an unpacked archive
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
        names = [name for name in names if not name.startswith(("build", ".git/")) and any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    return sorted(name for name in set(names) if (ROOT / name).is_file())


def programs(interpreters, *patterns):
    """Files that match the patterns, and files without an ending whose first line names one of the interpreters."""
    named = sources(*patterns)
    return sorted({*named, *(name for name in sources("*") if not pathlib.Path(name).suffix and interpreter(name) in interpreters)})


def interpreter(name):
    """Of a file that begins with #!/usr/bin/env python3: python3."""
    with open(ROOT / name, "rb") as file:
        first = file.readline(100).decode("ascii", "replace")
    words = [word for word in first.split() if not word.startswith("-")]
    return pathlib.PurePath(words[-1]).name if first.startswith("#!") and words else ""
