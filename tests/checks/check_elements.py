# SPDX-License-Identifier: LGPL-2.1-or-later
"""The elements' interface does not change unnoticed: properties, pads and signals are those in the tables of docs/elements/ELEMENT.md, which
names each field of `stats`; the rest is in golden/ELEMENT.txt. Both hold what the element itself adds or sets, which is the same with every
version of GStreamer. UPDATE_GOLDEN=1 writes both anew.

usage: check_elements.py ELEMENT…
"""
import os
import sys

import element_tables
from tap import ROOT, Tap


def check_page(tap, element):
    path = ROOT / f"docs/elements/{element}.md"
    page = path.read_text(encoding="utf-8")
    now, problems = element_tables.filled(page, element)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(now, encoding="utf-8")
    elif now != page:
        problems.append("the tables are not the element's. If the element is right: UPDATE_GOLDEN=1 meson test --suite checks")
    tap.check(f"docs/elements/{element}.md shows the element as it is", problems)
    tap.check(f"docs/elements/{element}.md names the fields of stats", list(element_tables.stats_problems(page, element)))


def main(*elements):
    tap = Tap()
    for element in elements:
        tap.golden(f"{element}.txt", element_tables.summary(element))
        check_page(tap, element)
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
