# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/health.md is the schema of real messages: every element with workers posts `frame-health` with exactly the fields and types of its
table, `stats` has the same, and each message shown on the page has them too. The page has a row for each state.
"""
import re
import tempfile

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

from tap import ROOT, Tap  # noqa: E402

TYPES = {"string": "gchararray", "uint64": "guint64", "int64": "gint64", "double": "gdouble"}
ROW = re.compile(r"^\| (`[^|]+`) \| (\w+) \| (.*) \|$", re.M)
EXAMPLE = re.compile(r"^```text\n(frame-health, .*?;)\n```", re.M | re.S)
STATES = {"waiting", "ok", "slow", "stuck", "starved", "dead"}
SECONDS = 20


def schema(page):
    """({field: type}, {field: the element that alone has it})."""
    fields, only = {}, {}
    for names, kind, meaning in ROW.findall(page[page.index("## The message"):page.index("Read it in C")]):
        for name in re.findall(r"`([\w-]+)`", names):
            fields[name] = TYPES[kind]
            if found := re.search(r"\(`(\w+)` only\)", meaning):
                only[name] = found[1]
    return fields, only


def problems(what, found, element, fields, only):
    """Differences between the fields found, {name: type or None}, and those that the page promises for the element."""
    wanted = {name: kind for name, kind in fields.items() if only.get(name, element) == element}
    yield from (f"{what}: {name} is missing" for name in wanted if name not in found)
    for name, kind in found.items():
        if name not in wanted:
            yield f"{what}: {name} is not in docs/health.md"
        elif kind and kind != wanted[name]:
            yield f"{what}: {name} is a {kind}, docs/health.md says {wanted[name]}"


def types(structure):
    return {structure.nth_field_name(i): structure.get_field_type(structure.nth_field_name(i)).name for i in range(structure.n_fields())}


def messages(folder):
    """{element: the first frame-health of each kind of element}, from a pipeline that has them all; and the pipeline."""
    path = f"{folder}/s"
    pipeline = Gst.parse_launch(
        "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=60/1 ! latestframe name=latestframe  "
        "latestframe. ! framehealth name=framehealth ! fakesink sync=false async=false  "
        f"latestframe. ! shmringsink name=shmringsink socket-path={path}  "
        f"shmringsrc socket-path={path} ! fakesink sync=false async=false")
    pipeline.set_state(Gst.State.PLAYING)
    seen = {}
    bus = pipeline.get_bus()
    while len(seen) < 3:
        message = bus.timed_pop_filtered(SECONDS * Gst.SECOND, Gst.MessageType.ELEMENT | Gst.MessageType.ERROR)
        if message is None or message.type == Gst.MessageType.ERROR:
            break
        if message.get_structure().get_name() == "frame-health" and message.get_structure().get_string("state") == "ok":
            seen.setdefault(message.src.get_name(), message.get_structure().copy())
    return seen, pipeline


def main():
    tap = Tap()
    page = (ROOT / "docs/health.md").read_text(encoding="utf-8")
    fields, only = schema(page)
    with tempfile.TemporaryDirectory() as folder:
        seen, pipeline = messages(folder)
        for element in ("latestframe", "framehealth", "shmringsink"):
            found = types(seen[element]) if element in seen else {}
            tap.check(f"the message of {element} is as documented", list(problems("message", found, element, fields, only)))
        branch = pipeline.get_by_name("latestframe").get_static_pad("src_0").get_property("stats")
        framehealth = pipeline.get_by_name("framehealth").get_property("stats")
        for element, stats, more in (("framehealth", framehealth, set()), ("latestframe", branch, {"events-dropped"})):
            found = {name: kind for name, kind in types(stats).items() if name not in more}
            tap.check(f"stats of {element} has the fields of the message", list(problems("stats", found, element, fields, only)))
        pipeline.set_state(Gst.State.NULL)

    shown = EXAMPLE.findall(page)
    tap.check("the page shows a message", "" if shown else "it does not")
    for example in shown:
        structure = Gst.Structure.from_string(example)[0]
        element = "framehealth" if structure.has_field("lateness") else "latestframe" if structure.has_field("pad") else "shmringsink"
        state = structure.get_string("state")
        found = dict.fromkeys(types(structure))
        tap.check(f"the `{state}` shown has every field", list(problems(state, found, element, fields, only)))
    rows = set(re.findall(r"^\| `(\w+)` \|", page[page.index("## States"):page.index("## Limits")], re.M))
    tap.check("the page has a row for each state", [f"{state} has none" for state in STATES ^ rows])
    tap.done()


Gst.init(None)
if __name__ == "__main__":
    main()
