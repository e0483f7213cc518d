# SPDX-License-Identifier: LGPL-2.1-or-later
"""Description of a clip: a JSON file beside it, written last, so that a clip with one is whole."""

import json
import os
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from .plan import Plan, Trigger
from .retention import TEMPORARY


def describe(plan: Plan, clip: dict, camera: str, software: str) -> dict:
    """`clip` has the facts of the file: see clips.py."""
    return {
        "camera": camera,
        "clip": clip["name"],
        "worker": plan.first.worker,
        "label": plan.first.label,
        "triggers": plan.count,
        "trigger": [_trigger(trigger, clip["first"].at) for trigger in plan.placed()],
        "first": _moment(clip["first"], clip["first"].at),
        "last": _moment(clip["last"], clip["first"].at),
        "frames": clip["frames"],
        "seconds": round(clip["last"].at - clip["first"].at, 6),
        "missed": clip["missed"],
        "unwritten": clip["unwritten"],
        "ended": clip["ended"],
        "continues": clip["continues"],
        "bytes": clip["bytes"],
        "coco": clip["coco"],
        "format": clip["format"],
        "software": software,
    }


def utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def write(path: Path, content: dict) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    text = re.sub(r"\[\n[\d\s,-]+\]", lambda box: "".join(box[0].split()).replace(",", ", "), text)  # a box is one line
    save(path, [text])


def save(path: Path, lines: Iterable[str]) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        part.unlink(missing_ok=True)
        with open(part, "x", encoding="utf-8", errors="replace") as file:  # never what another program put there
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A new name outlives a power cut only with its folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _moment(frame, begin: float) -> dict:
    return {"seq": frame.seq, "utc": utc(frame.utc), "at": round(frame.at - begin, 6)}


def _trigger(trigger: Trigger, begin: float) -> dict:
    return {"worker": trigger.worker, "label": trigger.label, "seq": trigger.seq, "utc": utc(trigger.utc),
            "at": round(trigger.at - begin, 6), "found": trigger.found, "boxes": list(trigger.boxes)}
