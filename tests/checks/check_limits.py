# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each number that a page names is the number that the code has: limits, times, sizes, and the formulas of a ring's size.

LIMITS is the table: page, phrase with the number in brackets, unit, and the constant of the code. Add a row when a page names a new number.

usage: check_limits.py
"""
import re

from tap import ROOT, Tap, sources

NS, US, MS, S = 1, 1e3, 1e6, 1e9
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
WORDS = {"half a": 0.5, "a": 1, "once a": 1, "one": 1, "two": 2, "twice": 2, "three": 3, "four": 4, "eight": 8}
BELLS = "kSlowLimit // kSlowScore + 1"  # notifications that are slow, in a row
LIMITS = [
    # Options of readers and publishers.
    ("docs/security.md", r"- (\d+) readers,", 1, "SHMRING_MAX_READERS"),
    ("docs/performance.md", r"Readers: (\d+) a ring", 1, "SHMRING_MAX_READERS"),
    ("docs/performance.md", r"Queued frames: (\d+) a reader", 1, "kMaxDepth"),
    ("docs/performance.md", r"Slots: ([\d,]+) a ring", 1, "kMaxSlots"),
    ("docs/performance.md", r"A frame: (\d+) GiB", GIB, "kMaxSlotSize", "layout.hpp"),
    ("docs/elements/shmringsrc.md", r"1 to (\d+) bytes of UTF-8", 1, "SHMRING_NAME_SIZE - 1"),
    ("docs/elements/framehealth.md", r"1 to (\d+) bytes of UTF-8", 1, "SHMRING_NAME_SIZE - 1"),
    ("docs/elements/latestframe.md", r"1 to (\d+) bytes of UTF-8", 1, "SHMRING_NAME_SIZE - 1"),
    # Sizes.
    ("docs/elements/shmringsink.md", r"in all (\d+) KiB a frame", KIB, "SHMRING_METADATA_SIZE"),
    ("docs/adr/0034-metadata.md", r"The last (\d+) KiB of the format area", KIB, "SHMRING_METADATA_SIZE"),
    ("docs/adr/0034-metadata.md", r"format area: (\d+) KiB", KIB, "kFormatStride"),
    ("docs/adr/0034-metadata.md", r"at most (\d+) packets", 1, "kMostParts"),
    ("docs/guides/operating.md", r"(\d+) KiB a slot for its format", KIB, "kFormatStride"),
    ("docs/elements/shmringsink.md", r"picture in I420, at least (\d+) KiB", KIB, "kSmallestGuess"),
    ("docs/elements/shmringsink.md", r"times the first frame, at least (\d+) KiB", KIB, "kSmallestGuess"),
    ("docs/elements/shmringsink.md", r"(\w+) times the first frame", 1, "kFirstHeadroom"),
    ("docs/elements/shmringsink.md", r"Slots grow to (\w+) the frame", 1, "kHeadroom"),
    ("docs/elements/shmringsink.md", r"`max-slot-size` bytes\s\((\d+) MiB\)", MIB, "kMaxSlotSize", "sink.hpp"),
    ("docs/elements/shmringsink.md", r"`slots=0`: 1 \+ (\d+) \+", 1, "kLoans"),
    ("docs/guides/operating.md", r"`loans` is (\d+) in `shmringsink`", 1, "kLoans"),
    ("docs/guides/operating.md", r"in the library and in Python it is (\d+)", 1, "loans", "publisher.hpp"),
    # The border to other processes.
    ("docs/security.md", r"- (\d+) handshakes may be pending", 1, "kMaxGreeting"),
    ("docs/security.md", r"handshakes may be pending, (\d+) s each", S, "kHandshakeTime"),
    ("docs/security.md", r"no greeting within (\w+) second", S, "kHandshakeTime"),
    ("docs/robustness.md", r"(\d+) may be silent", 1, "kMaxGreeting"),
    ("docs/robustness.md", r"may be silent, (\w+) second each", S, "kHandshakeTime"),
    ("docs/security.md", r"readers, (\d+) names", 1, "kMaxNames"),
    ("docs/security.md", r"messages of (\d+) KiB", KIB, "kMaxMessage"),
    ("docs/security.md", r"over (\d+) µs of processor\s+time \w+ times", US, "kSlowWakeup"),
    ("docs/security.md", r"over \d+ µs of processor\s+time (\w+) times", 1, BELLS),
    ("docs/robustness.md", r"after \w+ rings of over (\d+) µs", US, "kSlowWakeup"),
    ("docs/robustness.md", r"after (\w+) rings of over \d+ µs", 1, BELLS),
    ("docs/adr/0003-doorbell.md", r"costing over (\d+) µs", US, "kSlowWakeup"),
    ("docs/security.md", r"with\s+(\d+) of these no new peer gets in", 1, "kTooMany"),
    ("docs/security.md", r"answered every (\d+) ms at most", MS, "kRest"),
    ("docs/robustness.md", r"answered every (\d+) ms", MS, "kRest"),
    ("docs/security.md", r"ever later, up to (\d+) ms", MS, "kLongest", "publisher_locator.cpp"),
    # Times that a user meets.
    ("docs/guides/python.md", r"comes again every ([\d.]+) s", S, "kPause", "end_of_stream.hpp"),
    ("docs/guides/python.md", r"get through within ([\d.]+) s", S, "slice"),
    ("docs/adr/0042-waiting-in-python.md", r"slices of ([\d.]+) s", S, "slice"),
    ("docs/elements/shmringsink.md", r"tries again after (half a)\s+second", S, "kPause", "sink.cpp"),
    ("docs/elements/shmringsink.md", r"more than (\d+) s away from the clock", S, "kRunaway"),
    ("docs/elements/shmringsink.md", r"looked for (once a) second", S, "kPathLook"),
    ("docs/elements/shmringsrc.md", r"GAP events (\w+) times a second", 1, "GST_SECOND // kPatience", "outage.hpp"),
    # latestframe and health.
    ("docs/elements/latestframe.md", r"at most once in (\d+) ms", MS, "kInterval"),
    ("docs/elements/latestframe.md", r"comes within (\d+) ms\sof the last request", MS, "kInterval"),
    ("docs/adr/0012-losses-in-encoded-streams.md", r"at least (\d+) ms", MS, "kInterval"),
    ("docs/elements/latestframe.md", r"waits once, (\d+) ms", 1, "kFlushTime"),
    ("docs/elements/latestframe.md", r"after (half a) second WARNING", S, "kPatience", "branch.cpp"),
    ("docs/elements/latestframe.md", r"the last (\d+) are kept", 1, "kMostEvents", "cursor.hpp"),
    ("docs/elements/latestframe.md", r"one for each \((\w+) at least", 1, "kRoom"),
    ("docs/elements/latestframe.md", r"(\w+) for upstream and itself", 1, "kOwn"),
    ("docs/health.md", r"\(every (\d+) ms to 1 s\)", MS, "kShortestTick"),
    ("docs/health.md", r"\(every 10 ms to (\d+) s\)", S, "kLongestTick"),
    ("docs/health.md", r"may cause (\d+) messages in a row", 1, "kMessagesAtOnce"),
    ("docs/health.md", r"`stall-timeout` \| (\d+) s", S, "stall_timeout", "health.hpp"),
]
SLOTS = "slots = 1 + loans + max-readers × (depth + max-held)"
FORMER = "max-readers × (max-held + 1) + loans"
FORMULAS = [("docs/guides/operating.md", SLOTS, "1ull + loans + max_readers * (depth + max_held)"),
            ("docs/guides/operating.md", FORMER, "max_readers * (max_held + 1) + loans"),
            ("docs/adr/0033-held-frames.md", FORMER, "max_readers * (max_held + 1) + loans")]
ROW = re.compile(r"^\| (\d+)×(\d+) (\w+) \([^)]*\) \| (\d+) \| (\d+), (\d+) \| (\d+) \| (\d+) MB \|$", re.M)
BYTES = {"BGR": 3, "NV12": 1.5}


class Code:
    """The constants of the sources, by name: {name: {file: expression}}."""

    def __init__(self, texts):
        self.defined = {}
        for file, text in texts.items():
            for name, value in re.findall(r"\b(\w+) ?(?:= ?|\{)([^;={}]*?)\}?[,;]", text) + re.findall(r"#define (\w+) ([^/\n]+)", text):
                if re.search(r"\d|k[A-Z]|GST_|SHMRING_", value):
                    self.defined.setdefault(name, {}).setdefault(file, value)

    def value(self, expression, place="", depth=0):
        """The number that an expression of constants has; ValueError says what is missing or ambiguous."""
        expression = re.sub(r"\bstd::\w+\{(\w+)\}|(?<=\d)(?:u|ull|ULL)\b|'", lambda match: match[1] or "", expression)
        names = set(re.findall(r"\b[A-Za-z_]\w*", expression))
        known = {"GST_SECOND": S, "GST_MSECOND": MS, "GST_USECOND": US}
        for name in names - set(known):
            known[name] = self.named(name, place, depth)
        if not re.fullmatch(r"[\w\s+*/()<>.-]+", expression):
            raise ValueError(f"{expression} is no number")
        return eval(expression, {"__builtins__": {}}, known)  # noqa: S307 only names, numbers and operators

    def named(self, name, place, depth):
        files = self.defined.get(name, {})
        here = {file: value for file, value in files.items() if file.endswith(place)} or files
        if not here or depth > 5:
            raise ValueError(f"{name} is not in the code{f' in {place}' if place else ''}; name its successor in check_limits.py")
        if len(set(here.values())) > 1:
            raise ValueError(f"{name} is in {', '.join(sorted(here))}; check_limits.py has to say which")
        return self.value(next(iter(here.values())), next(iter(here)), depth + 1)


def number(text):
    return WORDS[text] if text in WORDS else float(text.replace(",", ""))


def wrong(pages, code, page, phrase, unit, expression, place=""):
    """Differences between the phrase of a page and the constant."""
    found = re.findall(phrase, pages[page])
    if not found:
        yield f"{page} does not say \"{phrase}\" any more: adapt check_limits.py"
        return
    try:
        wanted = code.value(expression, place)
        for said in found:
            if number(said) * unit != wanted:
                yield f"{page}: \"{phrase}\" says {said}, the code has {expression} = {wanted / unit:g}"
    except (KeyError, ValueError) as error:
        yield f"{page}: \"{phrase}\": {error}"


def plain(text):
    """An expression without casts and blanks."""
    return re.sub(r"\s+|\boptions\.", "", re.sub(r"\bstd::\w+\{([\w.]+)\}", r"\1", text))


def wrong_formula(pages, sources_text, page, said, meant):
    if said not in pages[page]:
        yield f"{page} does not say \"{said}\""
    if plain(meant) not in sources_text:
        yield f"{page}: \"{said}\" is not what the code computes"


def wrong_rows(page, loans, format_size):
    """Faults of the table of ring sizes: its slots and its memory, in MB."""
    for width, height, form, readers, depth, held, slots, memory in ROW.findall(page):
        wanted = 1 + loans + int(readers) * (int(depth) + int(held))
        size = -(-int(width) * int(height) * BYTES[form] // 4096) * 4096 + format_size
        if int(slots) != wanted:
            yield f"{readers} readers, depth {depth}, max-held {held}: {wanted} slots, not {slots}"
        if abs(wanted * size / 1e6 - int(memory)) > 1:
            yield f"{width}×{height} {form}, {readers} readers: {wanted * size / 1e6:.0f} MB, not {memory}"


def main():
    tap = Tap()
    code_files = sources(*(f"{folder}/**.{ending}" for folder in ("shmring", "gst") for ending in ("h", "hpp", "cpp")))
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in code_files}
    pages = {name: (ROOT / name).read_text(encoding="utf-8") for name in {row[0] for row in LIMITS + FORMULAS}}
    code = Code(texts)
    for page in sorted(pages):
        tap.check(f"the limits in {page} are the code's",
                  [problem for row in LIMITS if row[0] == page for problem in wrong(pages, code, *row)])
    everything = plain("".join(texts.values()))
    tap.check("the formulas for slots and former rings are the code's",
              [problem for row in FORMULAS for problem in wrong_formula(pages, everything, *row)])
    operating = pages["docs/guides/operating.md"]
    tap.check("the table of ring sizes follows the formula",
              list(wrong_rows(operating, code.value("kLoans"), code.value("kFormatStride"))) if ROW.search(operating) else "there is none")
    tap.done()


if __name__ == "__main__":
    main()
