# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds what an ONNX network was taught to find, with OpenCV's dnn module: any detector that a description fits (../model.py).

Its description is JSON in WORKER_MODEL; the manager puts [worker.model] of the system's file there.
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from .. import config, files
from ..album import Detection, annotate
from ..channel import Sender
from ..model import MOST_LABELS, Model, ModelError, check_only, is_label, parse
from ..trigger import Trigger
from ..untrusted import explain, parse_object, short
from ..worker import run

GREY = 114  # of the borders of a letterbox
MOST_CANDIDATES = 2000  # that non-maximum suppression looks at
MOST_BYTES = 1 << 20  # of a file of labels


@dataclass(frozen=True)
class Placement:
    """Where the frame lies in the network's input."""

    left: int
    top: int
    width: int
    height: int


def placement(model: Model, width: int, height: int) -> Placement:
    """A letterbox keeps the frame's proportions and puts it in the middle; without, it is stretched."""
    if not model.letterbox:
        return Placement(0, 0, model.width, model.height)
    ratio = min(model.width / width, model.height / height)
    inner_width, inner_height = max(1, round(width * ratio)), max(1, round(height * ratio))
    return Placement((model.width - inner_width) // 2, (model.height - inner_height) // 2, inner_width, inner_height)


def prepare(model: Model, image: np.ndarray) -> tuple[np.ndarray, Placement]:
    """The network's input: (value - mean) * scale, in planes. The frame is grey, BGR or BGRA."""
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    place = placement(model, image.shape[1], image.shape[0])
    picture = cv2.resize(image[..., :3], (place.width, place.height), interpolation=cv2.INTER_LINEAR)
    below, right = model.height - place.height - place.top, model.width - place.width - place.left
    if place.top or place.left or below or right:
        picture = cv2.copyMakeBorder(picture, place.top, below, place.left, right, cv2.BORDER_CONSTANT, value=(GREY,) * 3)
    blob = cv2.dnn.blobFromImage(picture, swapRB=model.swap_rb)
    blob -= np.array(model.mean, np.float32).reshape(1, 3, 1, 1)
    blob *= np.array(model.scale, np.float32).reshape(1, 3, 1, 1)
    return blob, place


def decode(model: Model, outputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners in pixels of the input, scores, and numbers of labels of all boxes. ModelError if the outputs are others than the
    description says."""
    boxes, classes, scores = (_yolo if model.output == "yolo" else _ssd)(model, outputs)
    if model.coordinates == "relative":
        boxes = boxes * np.array([model.width, model.height] * 2, np.float32)
    labels = classes - model.background
    usable = np.isfinite(boxes).all(axis=1) & np.isfinite(scores) & (labels >= 0) & (labels < len(model.labels))
    return boxes[usable], scores[usable], labels[usable]


def _yolo(model: Model, outputs: dict[str, np.ndarray]):
    columns = (5 if model.version == 5 else 4) + model.classes
    side = 2 if model.version == 5 else 1  # the axis that has the columns
    fitting = [array for array in outputs.values() if array.ndim == 3 and array.shape[0] == 1 and array.shape[side] == columns]
    if len(fitting) != 1:
        shape = f"(1, boxes, {columns})" if model.version == 5 else f"(1, {columns}, boxes)"
        raise ModelError(f"output = \"yolo\" with version = {model.version} and {len(model.labels)} labels needs one output of shape "
                         f"{shape}, but the network has {_shapes(outputs)}")
    rows = fitting[0][0] if model.version == 5 else fitting[0][0].T
    by_class = rows[:, columns - model.classes:]
    classes = by_class.argmax(axis=1)
    scores = by_class[np.arange(len(rows)), classes]
    if model.version == 5:
        scores = scores * rows[:, 4]
    centre, half = rows[:, :2], rows[:, 2:4] / 2
    return np.hstack([centre - half, centre + half]), classes, scores


def _ssd(model: Model, outputs: dict[str, np.ndarray]):
    arrays = {name: array.reshape(-1, array.shape[-1]) for name, array in outputs.items() if array.ndim >= 2}
    if len(outputs) == 1 and len(arrays) == 1:
        rows, = arrays.values()
        if rows.shape[1] == 7:
            with np.errstate(invalid="ignore"):
                return rows[:, 3:7], np.where(np.isfinite(rows[:, 1]), rows[:, 1], -1).astype(int), rows[:, 2]
    for names in (list(arrays), list(reversed(arrays))) if len(outputs) == len(arrays) == 2 else ():
        boxes, by_class = arrays[names[0]], arrays[names[1]]
        if boxes.shape[1] == 4 and by_class.shape == (len(boxes), model.classes) and (model.classes != 4 or "box" in names[0]):
            first = int(model.background)
            classes = by_class[:, first:].argmax(axis=1) + first
            return boxes, classes, by_class[np.arange(len(boxes)), classes]
    raise ModelError(f"output = \"ssd\" with {len(model.labels)} labels and background = {str(model.background).lower()} needs an output "
                     f"of shape (1, 1, boxes, 7), or one of (1, boxes, 4) and one of (1, boxes, {model.classes}), but the network "
                     f"has {_shapes(outputs)}" + ("; the one of the boxes must have \"box\" in its name" if model.classes == 4 else ""))


def _shapes(outputs: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{short(name)} of {tuple(map(int, array.shape))}" for name, array in list(outputs.items())[:8])


def choose(model: Model, boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Numbers of the boxes that are objects, the surest first: above the threshold, and of those of one label that overlap the
    surest only."""
    wanted = scores >= model.threshold
    if model.only:
        wanted &= np.isin(labels, [model.labels.index(label) for label in model.only])
    candidates = np.flatnonzero(wanted)
    candidates = candidates[np.argsort(-scores[candidates], kind="stable")[:MOST_CANDIDATES]]
    if not len(candidates):
        return candidates
    corners = np.clip(boxes[candidates], -1e5, 1e5).astype(np.float64)
    apart = labels[candidates, None] * 4e5  # boxes of different labels never overlap
    places = np.hstack([corners[:, :2] + apart, corners[:, 2:] - corners[:, :2]])
    kept = cv2.dnn.NMSBoxes(places.tolist(), scores[candidates].tolist(), 0.0, model.nms)
    return candidates[np.ravel(kept).astype(int)][:model.most]


def back(place: Placement, boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Left, top, right, bottom in whole pixels of the frame."""
    moved = (boxes - np.array([place.left, place.top] * 2)) * np.array([width / place.width, height / place.height] * 2)
    return np.rint(np.clip(moved, 0, [width, height] * 2)).astype(int)


def load(model: Model) -> "Network":
    """The network, tried on an empty picture. ModelError, in a sentence, if it cannot be used as described."""
    path = Path(model.file)
    try:
        if not path.is_file():
            raise ModelError(f"{path}: " + ("it is no regular file" if path.exists() else "there is no such file"))
        if not path.stat().st_size:
            raise ModelError(f"{path}: it is empty")
        if model.labels_file:
            model = replace(model, labels=_labels(Path(model.labels_file)))
            check_only(model)
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ModelError(explain(error)) from error
    try:
        network = Network(model, cv2.dnn.readNetFromONNX(os.fspath(path)))
    except cv2.error as error:
        raise ModelError(f"{path}: OpenCV {cv2.__version__} cannot read it as ONNX: {_reason(error)}") from error
    blob = prepare(model, np.zeros((model.height, model.width, 3), np.uint8))[0]
    try:
        outputs = network.run(blob)
    except cv2.error as error:
        raise ModelError(f"{path}: it cannot be run on an input of {model.width}×{model.height}: {_reason(error)}") from error
    try:
        decode(model, outputs)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return network


def _labels(path: Path) -> tuple[str, ...]:
    """One a line."""
    try:
        lines = files.read(path, MOST_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"labels = {short(os.fspath(path))}: {explain(error)}") from error
    labels = tuple(line.strip() for line in lines if line.strip())
    if not labels or len(labels) > MOST_LABELS or not all(map(is_label, labels)):
        raise ModelError(f"labels = {short(os.fspath(path))}: a file with one label a line is needed, at most {MOST_LABELS}")
    return labels


def _reason(error: cv2.error) -> str:
    return explain(ValueError(str(error).split("error: ", 1)[-1].strip()))


class Network:
    """A network and its description."""

    def __init__(self, model: Model, net):
        self.model = model
        self._net = net
        self._names = tuple(net.getUnconnectedOutLayersNames())

    def run(self, blob: np.ndarray) -> dict[str, np.ndarray]:
        self._net.setInput(blob)
        return dict(zip(self._names, self._net.forward(self._names)))


class Detector:
    def __init__(self, network: Network):
        self._network = network
        self.model = Path(network.model.file).stem
        self.threads = network.model.threads
        if network.model.event:
            self.trigger = Trigger(network.model.event)

    def look(self, image: np.ndarray):
        model, (height, width) = self._network.model, image.shape[:2]
        blob, place = prepare(model, image)
        boxes, scores, labels = decode(model, self._network.run(blob))
        chosen = choose(model, boxes, scores, labels)
        found = []
        for number, (left, top, right, bottom) in zip(chosen, back(place, boxes[chosen], width, height).tolist()):
            if right > left and bottom > top:
                found.append(Detection((left, top, right - left, bottom - top), model.labels[labels[number]], float(scores[number])))
        return found, None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m surveillance.workers.onnx", description=__doc__)
    parser.add_argument("--picture", type=Path, help="try the description on this picture instead of running as a worker")
    parser.add_argument("--config", type=Path, help="the system's file that has the description (default: WORKER_MODEL)")
    parser.add_argument("--worker", help="name of the worker in it")
    options = parser.parse_args()
    try:
        detector = Detector(load(parse(_described(options.config, options.worker))))
        if options.picture:
            _try(detector, options.picture)
            return 0
    except Exception as error:
        Sender().send("error", text=explain(error))
        print(explain(error), file=sys.stderr)
        return 2
    run(detector)
    return 0


def _described(path: Path | None, name: str | None) -> dict:
    if path is None:
        if "WORKER_MODEL" not in os.environ:
            raise ModelError("WORKER_MODEL is not set: the description of the model is needed, [worker.model] of the system's file")
        return parse_object(os.environ["WORKER_MODEL"].encode())
    for camera in config.load(path).cameras:
        for worker in camera.workers:
            if name in (None, worker.name) and (text := dict(worker.environment).get("WORKER_MODEL")):
                return parse_object(text.encode())
    raise ModelError(f"{path}: no worker" + (f" {short(name)}" if name else "") + " has a [worker.model]")


def _try(detector: Detector, path: Path) -> None:
    image = cv2.imread(os.fspath(path))
    if image is None:
        raise ModelError(f"{path}: it is no picture that OpenCV reads")
    detections, _ = detector.look(image)
    for one in detections:
        print(f"{one.label} {one.score:.2f} at {one.box[0]}, {one.box[1]}, {one.box[2]}×{one.box[3]} pixels")
    shown = path.with_suffix(".found.png")
    cv2.imwrite(os.fspath(shown), annotate(image, detections))
    print(f"{len(detections)} found: {shown}")


if __name__ == "__main__":
    sys.exit(main())
