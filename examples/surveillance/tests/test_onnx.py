# SPDX-License-Identifier: LGPL-2.1-or-later
"""The model slot: a description, and a network whose boxes for a picture are known, so that the whole way is checked to the pixel."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import onnx_network
import pytest
from surveillance import config
from surveillance.album import Detection
from surveillance.model import Model, ModelError, parse
from surveillance.workers import onnx

LABELS = ["red", "green", "blue"]  # the order of the network's channels: it gets RGB
BGR = {"red": (0, 0, 204), "green": (0, 204, 0), "blue": (204, 0, 0)}  # worth 0.8


def table(**changes):
    return {"file": "x.onnx", "input": [64, 64], "output": "yolo", "version": 8, "labels": LABELS, **changes}


def detector(tmp_path, network=None, **changes):
    given = {"output": "yolo", "version": 8, **(network or {})}
    path = onnx_network.write(tmp_path / "tiny.onnx", **given)
    described = table(file=str(path), **changes)
    if described["output"] == "ssd":
        del described["version"]
    return onnx.Detector(onnx.load(parse(described)))


def picture(*squares, width=320, height=240):
    """Black, with squares of (label, left, top, width, height)."""
    image = np.zeros((height, width, 3), np.uint8)
    for label, left, top, across, down in squares:
        image[top:top + down, left:left + across] = BGR[label]
    return image


def found(detector, image):
    detections, shown = detector.look(image)
    assert shown is None
    return [(one.label, *one.box, round(one.score, 4)) for one in detections]


# The description


@pytest.mark.parametrize("changes, sentence", [
    ({"file": None}, r"\[model\]: file is missing: a text of 1 to 4096 characters"),
    ({"file": ""}, "file = ''"),
    ({"input": [640]}, r"input = \[640\]: \[width, height\] is needed"),
    ({"input": [0, 640]}, "input"),
    ({"output": "rcnn"}, "output = 'rcnn': one of yolo, ssd is needed"),
    ({"output": ["yolo"]}, "output"),
    ({"version": None}, r"version is missing: 5 \(a row a box, with objectness\) or 8"),
    ({"version": 7}, "version = 7"),
    ({"version": True}, "version = True"),
    ({"output": "ssd"}, r"\[model\]: unknown key 'version'"),
    ({"labels": []}, "at least one is needed"),
    ({"labels": ["a", 2]}, "labels"),
    ({"labels": ["a\n"]}, "labels"),
    ({"labels": None}, "labels is missing"),
    ({"only": ["person"]}, "only: 'person' is none of the 3 labels"),
    ({"mean": [1, 2]}, r"mean = \[1, 2\]: a number, or one for each of the three channels"),
    ({"scale": 0}, "scale = 0"),
    ({"scale": float("nan")}, "scale = nan"),
    ({"swap-rb": 1}, "swap-rb = 1: true or false"),
    ({"background": True}, "without a background"),
    ({"threshold": 1.5}, "threshold = 1.5: a number of 0 to 1"),
    ({"nms": "0.5"}, "nms = '0.5'"),
    ({"most": 0}, "most = 0"),
    ({"threads": 0}, "threads = 0"),
    ({"treshold": 0.3}, r"\[model\]: unknown key 'treshold'"),
])
def test_a_mistake_of_the_description_is_told_in_a_sentence(changes, sentence):
    described = {key: value for key, value in table(**changes).items() if value is not None}
    with pytest.raises(ModelError, match=sentence):
        parse(described)
    worker = {"name": "w", "command": ["true"], "model": described}
    with pytest.raises(config.ConfigError, match="worker 'w'.*" + sentence):
        config.parse({"worker": [worker]})


def test_the_description_reaches_the_worker_as_it_stands_in_the_file():
    camera, = config.parse({"worker": [{"name": "w", "command": ["true"], "model": table()}]}).cameras
    (name, value), = camera.workers[0].environment
    assert name == "WORKER_MODEL" and json.loads(value) == table()


def test_every_description_of_the_documentation_is_right():
    text = (config.Path(config.__file__).parent / "docs/models.md").read_text(encoding="utf-8")
    described = [block.split("```")[0] for block in text.split("```toml\n")[1:]]
    assert len(described) >= 2
    outputs = set()
    for block in described:
        camera, = config.parse(config.tomllib.loads(block)).cameras
        outputs |= {parse(json.loads(dict(worker.environment)["WORKER_MODEL"])).output for worker in camera.workers}
    assert outputs == {"yolo", "ssd"}


# The input


def described(**changes) -> Model:
    return parse(table(**changes))


def test_a_letterbox_keeps_the_proportions_and_is_grey_around_the_frame():
    blob, place = onnx.prepare(described(), np.full((240, 320, 3), 255, np.uint8))
    assert (place.left, place.top, place.width, place.height) == (0, 8, 64, 48)
    assert blob.shape == (1, 3, 64, 64) and blob.dtype == np.float32
    assert (blob[0, :, 8:56] == 1).all()
    np.testing.assert_allclose(blob[0, :, [*range(8), *range(56, 64)]], 114 / 255, rtol=1e-6)
    tall, place = onnx.prepare(described(), np.full((300, 100, 3), 255, np.uint8))
    assert (place.left, place.top, place.width, place.height) == (21, 0, 21, 64) and tall.shape == (1, 3, 64, 64)


def test_each_value_is_less_the_mean_and_times_the_scale_of_its_channel():
    image = np.empty((64, 64, 3), np.uint8)
    image[:] = (10, 20, 30)
    as_rgb, _ = onnx.prepare(described(mean=[1, 2, 3], scale=[1, 0.5, 0.25]), image)
    assert as_rgb[0, :, 5, 5].tolist() == [29, 9, 1.75]
    as_bgr, _ = onnx.prepare(described(mean=1, scale=1, **{"swap-rb": False}), image)
    assert as_bgr[0, :, 63, 0].tolist() == [9, 19, 29]


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 4), (1, 1, 3), (2, 999, 3)])
def test_grey_and_odd_frames_are_taken_too(shape):
    blob, _ = onnx.prepare(described(scale=1), np.full(shape, 7, np.uint8))
    assert blob.shape == (1, 3, 64, 64) and (blob == 7).any()


# The whole way


@pytest.mark.parametrize("network, changes", [
    ({}, {}),
    ({"relative": True}, {"coordinates": "relative"}),
    ({"version": 5}, {"version": 5, "threshold": 0.3}),
])
def test_a_yolo_finds_the_squares_where_they_are(tmp_path, network, changes):
    made = detector(tmp_path, network, **changes)
    image = picture(("red", 80, 80, 40, 40), ("blue", 280, 200, 40, 40), ("green", 0, 0, 40, 40))
    score = 0.4 if network.get("version") == 5 else 0.8  # times the objectness
    assert sorted(found(made, image)) == [("blue", 280, 200, 40, 40, score), ("green", 0, 0, 40, 40, score),
                                          ("red", 80, 80, 40, 40, score)]
    assert found(made, picture()) == []
    # The next frame has another size: the picture lies elsewhere in the network's input.
    assert found(made, picture(("red", 60, 120, 60, 60), width=240, height=480)) == [("red", 60, 120, 60, 60, score)]


def test_an_ssd_of_boxes_and_scores_finds_the_squares_where_they_are(tmp_path):
    made = detector(tmp_path, {"output": "ssd"}, output="ssd")
    image = picture(("red", 80, 60, 40, 30), ("blue", 280, 210, 40, 30))
    assert sorted(found(made, image)) == [("blue", 280, 210, 40, 30, 0.8), ("red", 80, 60, 40, 30, 0.8)]


def test_an_ssd_of_rows_finds_the_squares_where_they_are(tmp_path):
    made = detector(tmp_path, {"output": "rows"}, output="ssd")
    assert found(made, picture(("red", 80, 60, 40, 30))) == [("green", 80, 60, 40, 30, 0.8)]  # its rows say so


def test_the_wrong_order_of_channels_is_seen(tmp_path):
    made = detector(tmp_path, **{"swap-rb": False})
    assert found(made, picture(("red", 80, 80, 40, 40))) == [("blue", 80, 80, 40, 40, 0.8)]


def test_of_boxes_that_overlap_the_surest_of_each_label_is_left(tmp_path):
    image = picture(("red", 80, 80, 40, 40))
    assert len(found(detector(tmp_path, nms=0.9), image)) == 2  # the network has a second box, a pixel beside the first
    image[80:120, 80:120] = (0, 204, 204)
    both = found(detector(tmp_path, {"output": "ssd"}, output="ssd", letterbox=True), image)
    assert [one[0] for one in both] == ["red"]  # one box has one label
    boxes = np.array([[0, 0, 8, 8], [1, 0, 9, 8], [0, 0, 8, 8]], np.float32)
    kept = onnx.choose(described(), boxes, np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1]))
    assert kept.tolist() == [0, 2]


def test_only_wanted_labels_and_the_surest_objects_are_told(tmp_path):
    image = picture(("red", 80, 80, 40, 40), ("blue", 280, 200, 40, 40))
    image[200:240, 280:320, 0] = 255
    assert [one[0] for one in found(detector(tmp_path, only=["red", "green"]), image)] == ["red"]
    assert [one[0] for one in found(detector(tmp_path, most=1), image)] == ["blue"]
    assert found(detector(tmp_path, threshold=0.9), image)[0][0] == "blue"


def test_numbers_that_are_none_give_no_box():
    boxes = np.array([[0, 0, np.nan, 8], [0, 0, np.inf, 8], [-1e30, -1e30, 1e30, 1e30], [5, 5, 2, 2]], np.float32)
    rows = np.hstack([boxes[:, :2], boxes[:, 2:], np.array([[0.9, 0, 0], [0.9, 0, 0], [np.nan, 0, 0], [0.9, 0, 0]])])
    model = described()
    decoded = onnx.decode(model, {"output0": rows.T[None].astype(np.float32)})
    assert len(decoded[0]) == 1
    seven = np.array([[0, np.nan, 0.9, 0, 0, 1, 1], [0, -1, 0.9, 0, 0, 1, 1], [0, 99, 0.9, 0, 0, 1, 1], [0, 1, 0.9, 0, 0, 1, 1]])
    ssd = parse({key: value for key, value in table(output="ssd").items() if key != "version"})
    assert onnx.decode(ssd, {"out": seven[None, None]})[2].tolist() == [0]


# The start


def test_labels_may_stand_in_a_file(tmp_path):
    (tmp_path / "labels.txt").write_text("red\ngreen\n\nblue\n")
    made = detector(tmp_path, labels=str(tmp_path / "labels.txt"), only=["blue"])
    assert found(made, picture(("blue", 80, 80, 40, 40))) == [("blue", 80, 80, 40, 40, 0.8)]
    (tmp_path / "labels.txt").write_text("\n")
    with pytest.raises(ModelError, match="labels.txt.*one label a line"):
        detector(tmp_path, labels=str(tmp_path / "labels.txt"))
    with pytest.raises(ModelError, match="labels = .*nowhere.*No such file"):
        detector(tmp_path, labels=str(tmp_path / "nowhere"))
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    with pytest.raises(ModelError, match="'person' is none of the 3 labels"):
        detector(tmp_path, labels=str(tmp_path / "labels.txt"), only=["person"])


@pytest.mark.parametrize("network, changes, sentence", [
    ({}, {"version": 5}, r"version = 5 and 3 labels needs one output of shape \(1, boxes, 8\).*'output0' of \(1, 7, 128\)"),
    ({"version": 5}, {}, r"needs one output of shape \(1, 7, boxes\).*\(1, 128, 8\)"),
    ({}, {"labels": ["a", "b"]}, r"2 labels needs one output of shape \(1, 6, boxes\)"),
    ({}, {"output": "ssd"}, r"\"ssd\" with 3 labels and background = true needs an output of shape \(1, 1, boxes, 7\)"),
    ({"output": "ssd"}, {"output": "ssd", "labels": ["a", "b"]}, r"one of \(1, boxes, 3\)"),
    ({}, {"input": [60, 64]}, "it cannot be run on an input of 60×64"),
])
def test_a_network_of_other_shapes_than_described_is_told(tmp_path, network, changes, sentence):
    with pytest.raises(ModelError, match="tiny.onnx: .*" + sentence):
        detector(tmp_path, network, **changes)


def test_a_file_that_is_no_network_is_told(tmp_path):
    for content, sentence in ((None, "there is no such file"), (b"", "it is empty"), (b"\x08\x07PK no network", "cannot read it as ONNX"),
                              (b"\0" * 5000, "cannot read it as ONNX"), (os.urandom(4096), "cannot read it as ONNX")):
        path = tmp_path / "model.onnx"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError, match=f"model.onnx: .*{sentence}"):
            onnx.load(described(file=str(path)))
    with pytest.raises(ModelError, match="no regular file"):
        onnx.load(described(file=str(tmp_path)))
    whole = onnx_network.write(tmp_path / "cut.onnx", "yolo").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ModelError, match="cut.onnx: "):
        onnx.load(described(file=str(tmp_path / "cut.onnx")))


@pytest.mark.parametrize("model, sentence", [
    (None, "WORKER_MODEL is not set"),
    ("{", "Expecting property name"),
    (json.dumps(table(file="/nowhere/x.onnx")), "/nowhere/x.onnx: there is no such file"),
])
def test_a_worker_that_cannot_start_says_why_and_ends(model, sentence):
    environment = {**os.environ, **({} if model is None else {"WORKER_MODEL": model})}
    process = subprocess.run([sys.executable, "-m", "surveillance.workers.onnx"], env=environment, capture_output=True, text=True,
                             timeout=60, check=False)
    assert process.returncode == 2 and sentence in process.stderr and "Traceback" not in process.stderr


def test_a_detection_is_plain_numbers(tmp_path):
    made = detector(tmp_path)
    detections, _ = made.look(picture(("red", 80, 80, 40, 40)))
    assert detections == [Detection((80, 80, 40, 40), "red", pytest.approx(0.8, abs=1e-6))]
    json.dumps([detections[0].box, detections[0].score])


def test_a_description_is_tried_on_a_picture(tmp_path):
    path = onnx_network.write(tmp_path / "tiny.onnx", "yolo")
    (tmp_path / "front.toml").write_text(f"""
[[worker]]
name = "other"
command = ["true"]
[[worker]]
name = "objects"
command = ["python3", "-m", "surveillance.workers.onnx"]
[worker.model]
file = "{path}"
input = [64, 64]
output = "yolo"
version = 8
labels = ["red", "green", "blue"]
""")
    cv2.imwrite(str(tmp_path / "street.png"), picture(("red", 80, 80, 40, 40)))

    def tried(worker):
        return subprocess.run([sys.executable, "-m", "surveillance.workers.onnx", "--config", str(tmp_path / "front.toml"), "--worker", worker,
                               "--picture", str(tmp_path / "street.png")], capture_output=True, text=True, timeout=60, check=False)
    made = tried("objects")
    assert made.stdout.splitlines()[0] == "red 0.80 at 80, 80, 40×40 pixels" and made.returncode == 0
    assert cv2.imread(str(tmp_path / "street.found.png"))[80, 100].any()
    assert "no worker 'other' has a [worker.model]" in tried("other").stderr
