# SPDX-License-Identifier: LGPL-2.1-or-later
"""Description of a detector's inputs and outputs: the table [worker.model] of the system's file, made into plain values.

Pure: the manager checks it with the file, before any network is loaded. workers/onnx.py does what it says.
"""

from dataclasses import dataclass

from .untrusted import is_number, is_whole, short

OUTPUTS = ("yolo", "ssd")
VERSIONS = (5, 8)  # of the rows of YOLO
COORDINATES = {"yolo": "pixels", "ssd": "relative"}
MOST_SIDE = 8192  # pixels
MOST_LABELS = 10_000
MOST_LABEL = 63  # characters
MOST_PATH = 4096
MOST_OBJECTS = 300  # of one frame


class ModelError(ValueError):
    pass


@dataclass(frozen=True)
class Model:
    file: str
    width: int  # of the network's input
    height: int
    output: str
    version: int  # of YOLO; 0: none
    labels: tuple[str, ...]
    labels_file: str  # instead of labels
    only: tuple[str, ...]  # labels that are reported; none: all
    mean: tuple[float, float, float]  # taken off each value, by channel of the input
    scale: tuple[float, float, float]  # multiplied with what is left
    swap_rb: bool
    letterbox: bool
    coordinates: str
    background: bool  # the first class is none of the labels
    threshold: float
    nms: float
    most: int
    event: str  # label of the events; "": none
    threads: int

    @property
    def classes(self) -> int:
        return len(self.labels) + self.background


def parse(table: dict) -> Model:
    """ModelError, in a sentence, for whatever is wrong with it."""
    if not isinstance(table, dict):
        raise ModelError("model must be a table: [worker.model]")
    left = _Left(table)
    file = left.text("file", MOST_PATH)
    width, height = left.size("input")
    output = left.choice("output", OUTPUTS)
    version = left.version() if output == "yolo" else 0
    labels, labels_file = left.labels()
    model = Model(
        file, width, height, output, version, labels, labels_file, left.texts("only", []),
        mean=left.channels("mean", 0.0, -1e6, 1e6), scale=left.channels("scale", 1 / 255, 1e-9, 1e6),
        swap_rb=left.flag("swap-rb", True), letterbox=left.flag("letterbox", output == "yolo"),
        coordinates=left.choice("coordinates", ("pixels", "relative"), COORDINATES[output]),
        background=left.flag("background", output == "ssd"),
        threshold=left.number("threshold", 0.5, 0.0, 1.0), nms=left.number("nms", 0.45, 0.0, 1.0),
        most=left.whole("most", 100, 1, MOST_OBJECTS), event=left.text("event", MOST_LABEL, ""),
        threads=left.whole("threads", 1, 1, 256))
    left.nothing()
    if model.background and output == "yolo":
        raise ModelError("[model]: background = true: the classes of YOLO are its labels, without a background")
    if labels:
        check_only(model)
    return model


def check_only(model: Model) -> None:
    if unknown := sorted(set(model.only) - set(model.labels)):
        raise ModelError(f"[model]: only: {short(unknown[0])} is none of the {len(model.labels)} labels")


class _Left:
    """Takes one key after the other; what is left at the end is unknown."""

    def __init__(self, table: dict):
        self._left = dict(table)

    def text(self, key: str, most: int, default: str | None = None) -> str:
        value = self._left.pop(key, default)
        if not isinstance(value, str) or len(value) > most or "\0" in value or not (value or default is not None):
            raise self._wrong(key, value, f"a text of 1 to {most} characters is needed")
        return value

    def choice(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        value = self._left.pop(key, default)
        if value not in known:
            raise self._wrong(key, value, f"one of {', '.join(known)} is needed")
        return value

    def version(self) -> int:
        value = self._left.pop("version", None)
        if not is_whole(value, 0, 1000) or value not in VERSIONS:
            raise self._wrong("version", value, "5 (a row a box, with objectness) or 8 (a column a box, without) is needed")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._left.pop(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false is needed")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self._left.pop(key, default)
        if not is_number(value, low, high):
            raise self._wrong(key, value, f"a number of {low:g} to {high:g} is needed")
        return float(value)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        value = self._left.pop(key, default)
        if not is_whole(value, low, high):
            raise self._wrong(key, value, f"a whole number of {low} to {high} is needed")
        return value

    def size(self, key: str) -> tuple[int, int]:
        value = self._left.pop(key, None)
        if not isinstance(value, list) or len(value) != 2 or not all(is_whole(side, 1, MOST_SIDE) for side in value):
            raise self._wrong(key, value, f"[width, height] is needed, each of 1 to {MOST_SIDE} pixels")
        return value[0], value[1]

    def channels(self, key: str, default: float, low: float, high: float) -> tuple[float, float, float]:
        value = self._left.pop(key, default)
        values = value if isinstance(value, list) else [value] * 3
        if len(values) != 3 or not all(is_number(one, low, high) for one in values):
            raise self._wrong(key, value, f"a number, or one for each of the three channels, of {low:g} to {high:g} is needed")
        return float(values[0]), float(values[1]), float(values[2])

    def texts(self, key: str, default: list | None = None) -> tuple[str, ...]:
        value = self._left.pop(key, default)
        if not isinstance(value, list) or len(value) > MOST_LABELS or not all(is_label(text) for text in value):
            raise self._wrong(key, value, f"a list of at most {MOST_LABELS} texts of 1 to {MOST_LABEL} printable characters is needed")
        return tuple(value)

    def labels(self) -> tuple[tuple[str, ...], str]:
        """Labels, or the path of a file that has them."""
        if isinstance(self._left.get("labels"), str):
            return (), self.text("labels", MOST_PATH)
        labels = self.texts("labels")
        if not labels:
            raise self._wrong("labels", [], "at least one is needed, or the path of a file with one a line")
        return labels, ""

    def nothing(self) -> None:
        if self._left:
            raise ModelError(f"[model]: unknown key {short(sorted(self._left)[0])}")

    def _wrong(self, key: str, value, wanted: str) -> ModelError:
        return ModelError(f"[model]: {key} is missing: {wanted}" if value is None else f"[model]: {key} = {short(value)}: {wanted}")


def is_label(text) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= MOST_LABEL and text.isprintable()
