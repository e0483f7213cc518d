# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation holds together: links lead somewhere, tests that are named exist, every element has a page, every decision is listed
and complete.

usage: check_docs.py [ELEMENT…]
"""
import pathlib
import re
import sys

from tap import ROOT, Tap, sources

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
TEST = re.compile(r"`(?:(?:\w+/)?([A-Z]\w*[a-z]\w*)\.|…)([A-Z]\w*)(?:/\w+)?`")  # suite and name; …Name: of the suite before
PARTS = ("Status:", "Date:", "## Context", "## Options", "## Decision", "## Consequences", "## Evidence")


def dead_links(name, text):
    folder = (ROOT / name).parent
    for target, _ in LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        if not re.match(r"\w+:", target) and not (folder / target).exists():
            yield f"{name}: {target} is not there"


def named_tests(text):
    suite = ""
    for named, test in TEST.findall(text):
        suite = named or suite
        yield f"{suite}.{test}"


def tests_that_are_there():
    found = set()
    for name in sources("tests/*.cpp"):
        text = (ROOT / name).read_text(encoding="utf-8")
        found |= {f"{suite}.{test}" for suite, test in re.findall(r"^TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", text, re.M)}
    return found


def record_problems(name, text, index):
    if pathlib.Path(name).name not in index:
        yield f"{name} is not in docs/adr/README.md"
    for part in PARTS:
        if not re.search(f"^\\**{re.escape(part)}", text, re.M):
            yield f"{name} has no {part}"


def main(*elements):
    tap = Tap()
    pages = {name: (ROOT / name).read_text(encoding="utf-8") for name in sources("*.md")}
    tap.check("every link leads somewhere", [problem for name, text in pages.items() for problem in dead_links(name, text)])
    tests = tests_that_are_there()
    tap.check("every test that a page names is there",
              [f"{name}: {test}" for name, text in pages.items() for test in named_tests(text) if test not in tests])
    for element in elements:
        tap.check(f"docs/elements/{element}.md is there", "" if f"docs/elements/{element}.md" in pages else "it is not")
    index = pages.get("docs/adr/README.md", "") + pages.get("examples/surveillance/docs/adr/README.md", "")
    for name, text in pages.items():
        if re.match(r"(?:examples/\w+/)?docs/adr/(?!0000)\d{4}-", name):
            tap.check(f"{name} is listed and complete", list(record_problems(name, text, index)))
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
