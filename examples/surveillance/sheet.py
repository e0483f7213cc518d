# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contact sheet: what each worker's album holds, on one PNG."""

import glob
import os
from pathlib import Path

import cv2
import numpy as np

from . import files

TILE = (384, 288)
COLUMNS = 4
HEADING = 34
MOST = {"person": 8}  # tiles of a worker; the others get one row
INK = (235, 235, 235)
PAPER = (32, 30, 28)


def make(album: Path, workers: dict[str, str], path: Path) -> int:
    """`workers`: name → heading. Returns how many pictures there are on the sheet."""
    parts, count = [], 0
    for name, heading in workers.items():
        pictures = newest(album, name, MOST.get(name, COLUMNS))
        tiles = [tile for picture in pictures if (tile := _tile(picture)) is not None]
        count += len(tiles)
        parts.append(_heading(heading if tiles else f"{heading}: nothing found"))
        for begin in range(0, len(tiles), COLUMNS):
            row = tiles[begin:begin + COLUMNS]
            row += [np.full((TILE[1], TILE[0], 3), PAPER, np.uint8)] * (COLUMNS - len(row))
            parts.append(np.hstack(row))
    files.replace(path, cv2.imencode(".png", np.vstack(parts))[1].tobytes())
    return count


def newest(album: Path, name: str, most: int) -> list[Path]:
    """In the order in which they were taken."""
    pictures = [(path.stat().st_mtime_ns, path) for path in album.glob(f"{glob.escape(name)}-??.jpg") if path.is_file()]
    return [path for _, path in sorted(pictures)][-most:]


def _tile(path: Path) -> np.ndarray | None:
    picture = cv2.imread(os.fspath(path))
    if picture is None:
        return None
    scale = min(TILE[0] / picture.shape[1], TILE[1] / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((TILE[1], TILE[0], 3), PAPER, np.uint8)
    top, left = (TILE[1] - small.shape[0]) // 2, (TILE[0] - small.shape[1]) // 2
    tile[top:top + small.shape[0], left:left + small.shape[1]] = small
    return tile


def _heading(text: str) -> np.ndarray:
    strip = np.full((HEADING, COLUMNS * TILE[0], 3), PAPER, np.uint8)
    cv2.putText(strip, text, (10, HEADING - 11), cv2.FONT_HERSHEY_SIMPLEX, 0.6, INK, 1, cv2.LINE_AA)
    return strip
