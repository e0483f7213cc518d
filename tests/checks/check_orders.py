# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every memory order stronger than relaxed is in docs/memory-orders.md, and every order and mutant there is in the code.

usage: check_orders.py
"""
import re

from tap import ROOT, Tap, sources

ROW = re.compile(r"^\| (\w+/[\w.]+) \| (\w+) \| (\w+) \| [^|]+ \| ([^|]+) \|", re.M)
# The last word before an operation (`block_.head`, `held_[i].slot` is an index), and the order in its arguments.
THROUGH_OPS = re.compile(r"Ops::\w+\(([^,]+?),.*?memory_order_(acquire|release|acq_rel|seq_cst)", re.S)
DIRECT = re.compile(r"(\w+)(?:\[[^\]]*\](?!\())?(?:\.|->)(?:load|store|exchange|fetch_\w+|compare_exchange\w*)\("
                    r"(?:[^;]*?)memory_order_(acquire|release|acq_rel|seq_cst)")


def word(expression):
    """Of `page_.ack[held_[i].slot]`: ack."""
    while "[" in expression:
        expression = re.sub(r"\[[^\[\]]*\]", "", expression)
    return re.split(r"\.|->", expression)[-1].strip("_ ")


def orders(text):
    """(word, order) of each operation that is stronger than relaxed."""
    text = re.sub(r"//[^\n]*", "", text)
    for statement in re.split(r";|[{}]\s*\n", text):
        statement = re.sub(r"memory_order_relaxed", "", statement)
        for part in re.split(r"&&|\|\|", statement):
            found = list(THROUGH_OPS.finditer(part)) or list(DIRECT.finditer(part))
            yield from ((word(match[1]), match[2]) for match in found)
            if not found and (bare := re.search(r"memory_order_(acquire|release|acq_rel|seq_cst)", part)):
                yield "?", bare[1]


SEAM = "abi/atomic.hpp"  # the orders there are told by hand: they are what the others are made of
BARE = "abi/check.cpp"  # a signal fence: the compiler's only


def main():
    page = (ROOT / "docs/memory-orders.md").read_text(encoding="utf-8")
    told = {(file, name, order) for file, name, order, _ in ROW.findall(page)}
    used = set()
    for name in sources("shmring/**.hpp", "shmring/**.cpp"):
        short = name.removeprefix("shmring/")
        if short not in (SEAM, BARE):
            used |= {(short, *found) for found in orders((ROOT / name).read_text(encoding="utf-8"))}
    tap = Tap()
    tap.check("docs/memory-orders.md tells every order", [f"{file}: {order} of {name} is not in it" for file, name, order in sorted(used - told)])
    tap.check("and none that is gone", [f"{file} has no {order} of {name}" for file, name, order in sorted(told - used) if file != SEAM])
    tests = "".join((ROOT / "tests/unit/lane" / name).read_text(encoding="utf-8") for name in ("mutants.py", "interleavings_test.cpp"))
    named = re.findall(r"`([a-z]\w* [^`]+)`", page)
    tap.check("every mutant it names is run", [f"there is no mutant '{name}'" for name in named if f'"{name}"' not in tests and "=" not in name])
    known = re.findall(r'^    "([^"]+)": \(', tests, re.M)
    tap.check("and every mutant is named", [f"the page does not name '{name}'" for name in known if name not in named])
    tap.check("its tables are found", "" if len(told) > 20 and len(known) > 20 else f"{len(told)} orders, {len(known)} mutants")
    tap.done()


if __name__ == "__main__":
    main()
