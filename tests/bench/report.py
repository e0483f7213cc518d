# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables and plots of a run: medians of the rounds, on the terminal and, with --page, in that page between its markers;
plots and data go to the folder `results` beside it.

usage: report.py RESULTS.jsonl [--page PAGE]
"""
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

# One row: question, what its results are told apart by, columns (figure, heading, divisor), title.
US, MS = 1e3, 1e6
TABLES = [
    ("push_fanout", ["hz", "branches"], [("net_p50", "push net p50 µs", US), ("push_p99", "push p99 µs", US), ("floor_p50", "bare pad µs", US),
                                         ("age_p50", "age p50 µs", US), ("age_p99", "age p99 µs", US)], "One push into a fan-out"),
    ("join", ["objects"], [("push_p50", "push p50 µs", US), ("push_p99", "push p99 µs", US), ("through_p50", "through p50 µs", US)],
     "A frame through resultjoin (−1: no results pad)"),
    ("notify", ["branches"], [("busy_p50", "notifier busy µs", US), ("middle_p50", "middle thread µs", US), ("last_p50", "last thread µs", US)],
     "Waking n threads, four ways"),
    ("ring_small", [], [("one_way_p50", "one way p50 ns", 1), ("one_way_p99", "one way p99 ns", 1), ("line_round_trip", "line round trip ns", 1),
                        ("bells_per_1000", "bells per 1000", 1), ("loan_and_publish", "loan + publish ns", 1), ("fence", "fence ns", 1),
                        ("clock", "clock ns", 1)], "Small frames, both ends awake"),
    ("ring_lanes", ["lanes"], [("publish", "publish ns", 1), ("loan", "loan ns", 1), ("clock", "of it a clock ns", 1),
                               ("line_round_trip", "line round trip ns", 1)], "Publishing to n lanes that are awake"),
    *[(f"ring_wake{which}", ["hz"], [("latency_p50", "latency p50 µs", US), ("latency_p99", "p99 µs", US), ("send_p50", "send p50 µs", US),
                                     ("reader_cpu", "reader, % of a core", 1), ("late_p50", "timer late µs", US),
                                     ("late_p99", "timer late p99 µs", US),
                                     ("lost", "lost", 1)], title)
      for which, title in (("", "1.1 MB to a reader that sleeps"), ("_jitter", "The same with ±200 µs of jitter"),
                           ("_missing", "The same with every tenth frame missing"), ("_load", "The same with both cores loaded"),
                           ("_anywhere", "The same with both wherever the kernel puts them"),
                           ("_8_readers", "Eight readers on two cores"))],
    ("slow_reader", ["hz"], [("age_p50", "age p50 ms", MS), ("age_p99", "p99 ms", MS), ("late_p50", "writer late p50 ms", MS),
                             ("late_p99", "writer late p99 ms", MS), ("received", "frames read", 1)],
     "A camera of 30 Hz, a reader that takes 100 ms a frame"),
    ("elements_zero_copy", [], [("delivered_s", "delivered frames/s", 1), ("pushed_s", "pushed frames/s", 1)],
     "Elements, frames in the sink's own memory, a byte of each page written and read"),
    ("elements_way", [], [("delivered_s", "delivered frames/s", 1), ("pushed_s", "pushed frames/s", 1)],
     "The same, but only a frame's first bytes: the way alone"),
    ("elements_heap", [], [("delivered_s", "delivered frames/s", 1), ("pushed_s", "pushed frames/s", 1)], "Elements, frames from the heap"),
    ("elements_age", ["hz"], [("age_p50", "age p50 µs", US), ("age_p99", "age p99 µs", US), ("push_p50", "push p50 µs", US), ("lost", "lost", 1)],
     "Elements, age at 100 Hz"),
    ("elements_stopped", ["hz"], [("push_p99", "push p99 µs", US), ("push_p50", "push p50 µs", US)], "Elements, the reader stopped (SIGSTOP)"),
    ("elements_copies", [], [("published", "published", 1), ("copied", "of these copied", 1)], "Elements, copies made by the sink"),
    ("surgeon", ["rings"], [("gbit_s", "Gbit/s", 1), ("frames_s", "frames/s", 1), ("dropped", "dropped", 1), ("cores", "cores in all", 1),
                            ("publisher_cpu", "of it publisher", 1), ("publisher_page_faults", "publisher's faults", 1),
                            ("publisher_allocations", "allocations", 1), ("publisher_growth_bytes", "growth B", 1),
                            ("readers_page_faults", "readers' faults", 1), ("reader_blocks_growth", "blocks", 1),
                            ("reader_growth_bytes", "reader's growth B", 1)],
     "The surgeon's load: 16 rings, a reader each"),
    ("ladder", ["size"], [("gbit_s", "Gbit/s", 1), ("frames_s", "frames/s", 1), ("cpu_s_per_gb", "CPU s/GB", 1)],
     "The ladder: one ring, every byte read"),
    ("python_view", [], [("view_p50", "p50 ns", 1), ("view_p99", "p99 ns", 1), ("allocated_peak_bytes", "allocated B", 1)],
     "Python: a ready frame to a numpy view"),
    ("python_async", ["hz"], [("latency_p50", "p50 µs", US), ("latency_p99", "p99 µs", US)], "Python: asyncio"),
    ("python_frames", ["hz"], [("latency_p50", "latency p50 µs", US), ("latency_p99", "p99 µs", US)], "Python: 1.1 MB frames at 100 Hz"),
    ("python_rate", [], [("frames_s", "frames/s", 1)], "Python: 1.1 MB frames as fast as they go"),
    ("attach", ["megabytes"], [("open", "ring made ms", MS), ("attach_to_frame", "attach to first frame ms", MS)], "Start"),
    ("copying", ["size"], [("copy_p50", "copy µs", US), ("read_p50", "read µs", US), ("copy_to_read_p50", "both µs", US)],
     "Ways to copy a frame into a ring"),
    ("growth", ["size", "lanes", "rings"], [("publish_p50", "publish µs", US), ("write_p50", "writing the payload µs", US)], "Growth"),
]


def load(path):
    """{question: {(case, at): {figure: [value of each round]}}}"""
    results = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        for figure, value in one["v"].items():
            results[one["bench"]][one["case"], tuple(sorted(one["at"].items()))][figure].append(value)
    return results


def number(value):
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(results, question, keys, columns):
    rows = results.get(question)
    if not rows:
        return []
    columns = [column for column in columns if any(column[0] in figures for figures in rows.values())]
    lines = ["| " + " | ".join([*keys, "", *(heading for _, heading, _ in columns)]) + " |",
             "|" + "---:|" * len(keys) + "---|" + "---:|" * len(columns)]
    order = sorted(rows.items(), key=lambda row: [dict(row[0][1]).get(key, 0) for key in keys])
    for (case, at), figures in order:
        cells = [number(dict(at)[key]) for key in keys] + [case]
        for figure, _, divisor in columns:
            values = [value / divisor for value in figures.get(figure, [])]
            if not values:
                cells.append("")
                continue
            spread = f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 and columns.index((figure, _, divisor)) == 0 else ""
            cells.append(number(statistics.median(values)) + spread)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def median(figures, name):
    return statistics.median(figures[name])


def plots(results, folder):
    import matplotlib  # only a full run draws
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "figure.figsize": (7, 4.2), "axes.grid": True, "grid.alpha": 0.3, "font.size": 10})
    from matplotlib import pyplot

    def curve(question, figure, x, name, title, xlabel, ylabel, scale=1.0, where=lambda at: True, log=True):
        groups = defaultdict(list)
        for (case, at), figures in results.get(question, {}).items():
            if figure in figures and where(dict(at)):
                groups[case].append((dict(at)[x], median(figures, figure) / scale))
        if not groups:
            return
        picture, axes = pyplot.subplots()
        for case, points in groups.items():
            axes.plot(*zip(*sorted(points)), marker="o", label=case)
        if log:
            axes.set_xscale("log", base=2 if x != "size" else 10)
            axes.set_yscale("log")
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        axes.legend()
        picture.tight_layout()
        picture.savefig(folder / f"{name}.svg", metadata={"Date": None})
        pyplot.close(picture)

    curve("push_fanout", "push_p50", "branches", "fan-out", "One push into a fan-out, 30 Hz", "branches", "p50, µs", US, lambda at: at["hz"] == 30)
    curve("ring_lanes", "publish", "lanes", "lanes", "Publishing to n lanes that are awake", "lanes", "ns")
    curve("copying", "copy_to_read_p50", "size", "copying", "From one process's heap through the ring, every byte read", "bytes", "µs", US)
    for kind, x, xlabel in (("lanes", "lanes", "lanes"), ("size", "size", "bytes in a frame"), ("rings", "rings", "rings")):
        groups = [(dict(at)[x], median(figures, "write_p50") / US, median(figures, "publish_p50") / US)
                  for (case, at), figures in results.get("growth", {}).items() if case == kind]
        if not groups:
            continue
        groups.sort()
        picture, axes = pyplot.subplots()
        axes.plot([g[0] for g in groups], [g[1] for g in groups], marker="o", label="writing the payload")
        axes.plot([g[0] for g in groups], [g[2] for g in groups], marker="o", label="publish")
        axes.set(title=f"A frame's cost against {xlabel}", xlabel=xlabel, ylabel="µs", xscale="log", yscale="log")
        axes.legend()
        picture.tight_layout()
        picture.savefig(folder / f"growth-{kind}.svg", metadata={"Date": None})
        pyplot.close(picture)

    def bars(question, name, title, where=lambda at: True):
        stem = "latency" if question.startswith("ring") else "age"
        rows = [(case, figures) for (case, at), figures in results.get(question, {}).items()
                if where(dict(at)) and f"{stem}_p50" in figures]
        if not rows:
            return
        picture, axes = pyplot.subplots()
        for row, (case, figures) in enumerate(rows):
            axes.plot([median(figures, f"{stem}_{q}") / US for q in ("p50", "p90", "p99")], [row] * 3, marker="|", markersize=14)
        axes.set_yticks(range(len(rows)), [case for case, _ in rows])
        axes.set(title=title, xlabel="µs: p50, p90, p99", xscale="log")
        picture.tight_layout()
        picture.savefig(folder / f"{name}.svg", metadata={"Date": None})
        pyplot.close(picture)

    def distribution(question, name, title, where):
        picture, axes = pyplot.subplots()
        for (case, at), figures in results.get(question, {}).items():
            if where(dict(at)) and "latency_p10" in figures:
                part = (10, 25, 50, 75, 90, 99)
                axes.plot([median(figures, f"latency_p{q}") / US for q in part], part, marker=".", label=case)
        axes.set(title=title, xlabel="µs", ylabel="% of the frames are faster", xscale="log")
        axes.legend(fontsize=8)
        picture.tight_layout()
        picture.savefig(folder / f"{name}.svg", metadata={"Date": None})
        pyplot.close(picture)

    distribution("ring_wake", "latency", "1.1 MB to a sleeping reader, 60 Hz", lambda at: at["hz"] == 60)
    bars("slow_reader", "slow-reader", "Age at a reader that takes 100 ms a frame, 30 Hz")
    bars("ring_wake", "wake", "1.1 MB to a sleeping reader, 60 Hz", lambda at: at["hz"] == 60)
    bars("push_fanout", "age", "Age at 8 branches, 30 Hz", lambda at: at == {"branches": 8, "hz": 30})
    bars("elements_age", "elements", "Elements: age at 100 Hz")


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    gst = subprocess.run(["gst-launch-1.0", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")
    return (f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, "
            f"{gst[1] if len(gst) > 1 else 'no GStreamer'}.")


def main():
    results = load(sys.argv[1])
    text = []
    for question, keys, columns, title in TABLES:
        lines = table(results, question, keys, columns)
        if lines:
            text += [f"### {title}", "", *lines, ""]
    print("\n".join(text))
    if "--page" not in sys.argv:
        return
    page = Path(sys.argv[sys.argv.index("--page") + 1])
    folder = page.parent / "results"
    folder.mkdir(exist_ok=True)
    plots(results, folder)
    old = page.read_text(encoding="utf-8")
    inside = "\n".join([machine(), "", *text])
    new = re.sub(r"(<!-- figures -->\n).*(<!-- end of figures -->)", lambda match: match[1] + inside + match[2], old, flags=re.S)
    page.write_text(new, encoding="utf-8")
    (folder / "results.jsonl").write_text(Path(sys.argv[1]).read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
