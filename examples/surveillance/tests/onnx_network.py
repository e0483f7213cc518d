# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tiny ONNX detector, written as the bytes of its protobuf messages: no package of both Debians writes them.

It looks at a grid of 8×8 cells. A cell is worth the mean of its blob, by channel: that is its score for the label of that
number. Each cell has two boxes, the cell itself and one a pixel to the right that is worth 5 % less, so NMS has work to do.
"""

import struct
from pathlib import Path

import numpy as np

CELL = 8
FLOAT, INT, INTS = 1, 2, 7  # types of attributes
FLOAT32, INT64 = 1, 7  # types of tensors


def field(number, value):
    """A field of a message: bytes and texts with their length, whole numbers as varints."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value):
    value &= 2**64 - 1
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    return bytes(result) + bytes([value])


def tensor(name, array):
    kind = INT64 if array.dtype == np.int64 else FLOAT32
    array = array if kind == INT64 else array.astype(np.float32)
    return b"".join(field(1, size) for size in array.shape) + field(2, kind) + field(8, name) + field(9, array.tobytes())


def node(kind, inputs, output, **attributes):
    result = b"".join(field(1, name) for name in inputs) + field(2, output) + field(3, f"make_{output}") + field(4, kind)
    for name, value in attributes.items():
        if isinstance(value, list):
            content = b"".join(field(8, item) for item in value) + field(20, INTS)
        elif isinstance(value, float):
            content = _varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, FLOAT)
        else:
            content = field(3, value) + field(20, INT)
        result += field(5, field(1, name) + content)
    return result


def value(name, shape):
    sizes = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT32) + field(2, sizes)))


def model(nodes, constants, inputs, outputs):
    graph = b"".join(field(1, one) for one in nodes) + field(2, "tiny")
    graph += b"".join(field(5, tensor(name, array)) for name, array in constants.items())
    graph += b"".join(field(11, value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(field(12, value(name, shape)) for name, shape in outputs.items())
    return field(1, 7) + field(2, "tests") + field(7, graph) + field(8, field(1, "") + field(2, 11))


def boxes_of(width, height):
    """Corners of all boxes in pixels of the network's input, two of each cell: (number, left, top, right, bottom)."""
    rows, columns = height // CELL, width // CELL
    cells = [(CELL * column, CELL * row, CELL * (column + 1), CELL * (row + 1)) for row in range(rows) for column in range(columns)]
    return np.array(cells + [(left + 1, top, right + 1, bottom) for left, top, right, bottom in cells], np.float32)


def write(path, output, size=(64, 64), version=8, labels=3, relative=False):
    """`output` is yolo, ssd (two outputs) or rows (one output of seven columns)."""
    width, height = size
    cells, boxes = (width // CELL) * (height // CELL), boxes_of(width, height)
    count = len(boxes)
    constants = {"mean": np.zeros((labels, 3, CELL, CELL))}
    for label in range(labels):
        constants["mean"][label, label % 3] = 1 / CELL**2
    nodes = [node("Conv", ["picture", "mean"], "cells", kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
             node("Reshape", ["cells", "flat"], "worth"), node("Mul", ["worth", "less"], "worth_less"),
             node("Concat", ["worth", "worth_less"], "scores_by_label", axis=2)]
    constants |= {"flat": np.array([1, labels, cells], np.int64), "less": np.array([0.95], np.float32)}
    if output == "yolo":
        left, top, right, bottom = boxes.T
        centred = np.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
        centred = centred / np.array([[width], [height], [width], [height]]) if relative else centred
        constants["places"] = centred[None]
        if version == 8:
            nodes.append(node("Concat", ["places", "scores_by_label"], "output0", axis=1))
            outputs = {"output0": (1, 4 + labels, count)}
        else:
            constants["objectness"] = np.full((1, 1, count), 0.5)
            nodes += [node("Concat", ["places", "objectness", "scores_by_label"], "columns", axis=1),
                      node("Transpose", ["columns"], "output0", perm=[0, 2, 1])]
            outputs = {"output0": (1, count, 5 + labels)}
    else:
        corners = boxes / np.array([width, height, width, height])
        if output == "ssd":
            constants |= {"corners": corners.T[None], "background": np.full((1, 1, count), 0.1)}
            constants |= {name: np.array([number], np.int64) for name, number in (("from", 0), ("to", 4), ("axis", 1))}
            nodes += [node("Concat", ["background", "scores_by_label"], "all_scores", axis=1),
                      node("Transpose", ["all_scores"], "scores", perm=[0, 2, 1]),
                      # A constant alone is no output of a network here: it takes part in a concatenation with what is from the picture.
                      node("Concat", ["corners", "all_scores"], "everything", axis=1),
                      node("Slice", ["everything", "from", "to", "axis"], "corners_only"),
                      node("Transpose", ["corners_only"], "boxes", perm=[0, 2, 1])]
            outputs = {"scores": (1, count, labels + 1), "boxes": (1, count, 4)}
        else:
            rows = np.zeros((1, count, 2))
            rows[0, :, 1] = 2  # every box is of the second label, with a background before the first
            constants |= {"first": rows.transpose(0, 2, 1), "corners": corners.T[None], "shape": np.array([1, 1, count, 7], np.int64)}
            constants |= {name: np.array([number], np.int64) for name, number in (("from", 0), ("to", 1), ("axis", 1))}
            nodes += [node("Slice", ["scores_by_label", "from", "to", "axis"], "score"),
                      node("Concat", ["first", "score", "corners"], "columns", axis=1),
                      node("Transpose", ["columns"], "rows", perm=[0, 2, 1]), node("Reshape", ["rows", "shape"], "detection_out")]
            outputs = {"detection_out": (1, 1, count, 7)}
    Path(path).write_bytes(model(nodes, constants, {"picture": (1, 3, height, width)}, outputs))
    return path
