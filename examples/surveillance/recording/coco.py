# SPDX-License-Identifier: LGPL-2.1-or-later
"""Objects of a recorded file in COCO's form: images, annotations, categories. A file NAME.coco.json beside NAME.mkv.

An image is a frame that a worker looked at; one without annotations has nothing in it. Frames of which no result came are no images.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from . import sidecar
from .reel import Frame, picture_size
from .sidecar import utc

SUFFIX = ".coco.json"
MOST = 200_000  # annotations of one file, and images; more are counted and left out


class Coco:
    """Collects while the file is written: each line is kept as it will stand there."""

    def __init__(self, first: Frame):
        width, height = picture_size(first.caps)
        self.left_out = 0
        self._first = first
        self._size = {"width": width, "height": height}
        self._frames = 0
        self._images: list[str] = []
        self._annotations: list[str] = []
        self._categories: dict[str, int] = {}

    def add(self, frame: Frame) -> None:
        """The next frame of the file."""
        number, self._frames = self._frames, self._frames + 1
        if frame.objects is None:
            return
        if len(self._images) >= MOST or len(self._annotations) + len(frame.objects) > MOST:
            self.left_out += 1
            return
        self._images.append(json.dumps({
            "id": number + 1, "video_id": 1, "frame_id": number, "file_name": f"{number:06}.jpg", **self._size,
            "date_captured": utc(frame.utc), "at": round(frame.at - self._first.at, 6), "seq": frame.seq}))
        for seen in frame.objects:
            category = self._categories.setdefault(seen.label, len(self._categories) + 1)
            box = [round(edge, 2) for edge in seen.box]
            self._annotations.append(json.dumps({
                "id": len(self._annotations) + 1, "image_id": number + 1, "category_id": category, "bbox": box,
                "area": round(seen.box[2] * seen.box[3], 2), "iscrowd": 0, "segmentation": [], "score": round(seen.score, 4),
                **({} if seen.track is None else {"track_id": seen.track}), "worker": seen.worker}, ensure_ascii=False))

    def save(self, file: Path, camera: str, software: str) -> None:
        """Beside the file, whole or not at all. OSError if it cannot be."""
        sidecar.save(file.with_suffix(SUFFIX), self._lines(file.name, camera, software))

    def _lines(self, name: str, camera: str, software: str) -> Iterator[str]:
        created = datetime.now(timezone.utc)
        info = {"description": f"objects that workers found in {name}", "contributor": camera, "version": software, "year": created.year,
                "date_created": utc(created.timestamp()), "images_left_out": self.left_out}
        yield f'{{\n"info": {json.dumps(info, ensure_ascii=False)},\n"licenses": [],\n'
        yield from _list("videos", [json.dumps({"id": 1, "name": name, **self._size, "frames": self._frames}, ensure_ascii=False)])
        yield from _list("images", self._images)
        yield from _list("annotations", self._annotations)
        yield from _list("categories", [json.dumps({"id": number, "name": label, "supercategory": ""}, ensure_ascii=False)
                                        for label, number in self._categories.items()], last=True)


def _list(name: str, entries: list[str], last: bool = False) -> Iterator[str]:
    """One entry a line."""
    yield f'"{name}": ['
    for number, entry in enumerate(entries):
        yield f"{',' if number else ''}\n{entry}"
    yield "]\n}\n" if last else "],\n"
