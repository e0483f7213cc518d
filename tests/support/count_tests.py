# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the tests of a `meson test` run, those inside each test program too, and shows what failed.

usage: count_tests.py testlog.json      prints "PASSED FAILED" as its last line
"""
import json
import re
import sys

TAIL = 60  # lines of a failed program's output


def inside(output):
    """(passed, failed) as a test program's own output says; (0, 0) if it is none that counts."""
    passed = re.findall(r"^\[  PASSED  \] (\d+) tests?\.", output, re.M)
    if passed:  # GoogleTest; the last one, for a test may run another test program
        failed = re.findall(r"^ *(\d+) FAILED TESTS?$", output, re.M)
        return int(passed[-1]), int(failed[-1]) if failed else 0
    if re.search(r"^1\.\.\d+", output, re.M):  # TAP
        return len(re.findall(r"^ok\b", output, re.M)), len(re.findall(r"^not ok\b", output, re.M))
    ending = re.findall(r"^=* ?((?:\d+ \w+,? ?)+) in [\d.]+s", output, re.M)
    if ending:  # pytest
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", ending[-1])}
        return counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    return 0, 0


def count(test):
    """(passed, failed) of one program: what it says, unless it did not live to say it."""
    passed, failed = inside(test.get("stdout", ""))
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        return max(passed, 1), 0
    if test["result"] == "SKIP":
        return 0, 0
    return passed, max(failed, 1)


def main(path):
    total_passed = total_failed = 0
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    for test in tests:
        passed, failed = count(test)
        total_passed += passed
        total_failed += failed
        if failed:
            output = (test.get("stdout", "") + test.get("stderr", "")).splitlines()
            output = [line for line in output if line and not re.match(r"ok \d|\[ +(OK|RUN) ", line)]
            print(f"--- {test['name']}: {test['result']} after {test['duration']:.0f} s (exit {test.get('returncode')})")
            print("\n".join(output[-TAIL:]))
        elif test["result"] == "SKIP":
            print(f"--- {test['name']}: left out")
        for name in re.findall(r"^\[  SKIPPED \] ([\w/.]+) \(\d+ ms\)$", test.get("stdout", ""), re.M):
            print(f"--- {test['name']}: left out: {name}")
    print(total_passed, total_failed)


if __name__ == "__main__":
    main(sys.argv[1])
