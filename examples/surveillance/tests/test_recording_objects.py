# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recorded frames carry their own objects: a square is somewhere else in every frame, so a box of any other frame would be beside it."""

import json
import os
import signal
import subprocess
import sys
import time

import coco_check
import cv2
import numpy as np
import pytest
import shmring
from recording_rig import PATIENCE, Camera, Recorder, eventually, number_of, picture
from surveillance.result_sender import results_path

SIDE = 20
ENCODE = "videoconvert ! jpegenc quality=95"
WORKER = """
import random, sys, time
sys.path[:0] = sys.argv[3:]
import shmring
from test_recording_objects import box_of

results = shmring.Results(sys.argv[2], worker="person", model="square")
with shmring.Reader(sys.argv[1], "drop-newest", worker="person") as reader:
    for frame in reader:
        with frame:
            if frame.sequence % 7 == 0:
                continue
            found = [] if frame.sequence % 7 == 3 else [shmring.Object("person", 0.9, box_of(frame.sequence), track=frame.sequence)]
            time.sleep(random.uniform(0, 0.015))
            results.send(frame, found)
"""


def box_of(number):
    """Left, top, width, height of the square in the frame of that number."""
    return 8 + number * 37 % 220, 84 + number * 5 % 13, SIDE, SIDE


def with_square(number):
    image = picture(number)
    left, top, width, height = box_of(number)
    image[64:] = 0
    image[top:top + height, left:left + width] = 255
    return image


def drawn_box(image):
    """Left, top, right, bottom of the green lines, without the text above; None: there are none."""
    image = image.astype(int)
    green = image[..., 1] - image[..., [0, 2]].max(axis=2) > 40
    left, top, width, height = where_square(image)
    columns = np.flatnonzero(green[top + 4:top + height - 4].mean(axis=0) > 0.7)
    rows = np.flatnonzero(green[:, left + 4:left + width - 4].mean(axis=1) > 0.9)
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(columns) and len(rows) else None


def where_square(image):
    """Place of the square as the picture shows it: neither a number nor a time is trusted. Its edge may be under the drawn line."""
    white = (image[64:] > 190).all(axis=2)
    rows, columns = np.flatnonzero(white.sum(axis=1) > SIDE / 2), np.flatnonzero(white.sum(axis=0) > SIDE / 2)
    return columns[0], 64 + rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]


def images_of(path):
    video = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG)
    while (got := video.read())[0]:
        yield got[1]


def objects_of(path):
    content = json.loads(path.with_suffix(".coco.json").read_text())
    coco_check.check(content)
    return content, coco_check.found(content)


def check(path):
    """Each frame of the file: its box is drawn where its square is, and stands in the sidecar. Returns numbers of frames: all, with a
    result, with a box."""
    content, found = objects_of(path)
    numbers, boxes = [], []
    for place, image in enumerate(images_of(path)):
        number = number_of(image)
        numbers.append(number)
        assert content["videos"][0]["name"] == path.name
        drawn = drawn_box(image)
        assert (drawn is not None) == bool(found.get(number)), f"frame {number}: drawn {drawn}, in the sidecar {found.get(number)}"
        if drawn is None:
            continue
        boxes.append(number)
        left, top, width, height = where_square(image)
        assert np.abs(np.subtract(drawn, (left, top, left + width, top + height))).max() <= 3
        assert found[number] == [("person", *box_of(number))]
        entry, = (one for one in content["images"] if one["seq"] == number)
        assert entry["frame_id"] == place
    assert content["videos"][0]["frames"] == len(numbers) and set(found) <= set(numbers)
    return numbers, sorted(found), boxes


@pytest.fixture
def socket(tmp_path):
    path = tmp_path / "ring.sock"
    results_path(path, "person").parent.mkdir()  # the manager would make it
    return str(path)


@pytest.fixture
def camera(socket):
    made = Camera(socket, picture=with_square, rate=40)
    yield made
    made.end()


@pytest.fixture
def start(tmp_path, socket):
    """Starts a worker, or a recorder."""
    started = []

    def worker():
        code = [sys.executable, "-c", WORKER, socket, str(results_path(socket, "person")), os.path.dirname(__file__)]
        started.append(subprocess.Popen(code))
        return started[-1]

    def recorder(recorder, clips=None):
        started.append(Recorder(socket, tmp_path / "kept", {"encode": ENCODE, "wait": "5 s", "boxes": True, "objects": ["person"], **recorder},
                                clips, workers=["person"]))
        return started[-1]

    yield type("Start", (), {"worker": staticmethod(worker), "recorder": staticmethod(recorder)})
    for one in started:
        if isinstance(one, Recorder):
            one.close()
        else:
            one.kill()
            one.wait(30 * PATIENCE)


def ended(made):
    assert made.end() == 0
    return [message for message in made.messages if message["kind"] == "report"][-1]


def test_every_recorded_frame_carries_the_box_of_its_own_objects(camera, start):
    start.worker()
    made = start.recorder({"segment": "2 s"}, {})
    made.until(lambda report: report["segments"] >= 3)
    made.trigger(camera.number)
    content, clip = made.clip()
    said = ended(made)
    with_boxes = 0
    for path in made.segments():
        numbers, results, boxes = check(path)
        assert numbers == sorted(set(numbers))
        assert not [number for number in results if number % 7 == 0]  # the worker looked at none of these
        assert not [number for number in boxes if number % 7 in (0, 3)] and any(number % 7 == 3 for number in results)
        with_boxes += len(boxes)
    assert with_boxes > 0 and said["frames_lost"] == 0
    assert content["coco"] == clip.with_suffix(".coco.json").name and len(check(clip)[2]) > 0


def test_a_recording_goes_on_while_its_worker_is_dead_and_has_boxes_again_with_the_next_one(camera, start):
    first = start.worker()
    made = start.recorder({"segment": "1 h", "wait": "1 s"})
    made.until(lambda report: report["objects"] > 40)
    first.kill()
    killed = camera.number
    before = made.listen()[-1]["frames_written"]
    made.until(lambda report: report["frames_written"] > before + 100)
    again = camera.number
    start.worker()
    have = made.listen()[-1]["objects"]
    made.until(lambda report: report["objects"] > have + 40)
    said = ended(made)
    assert said["frames_lost"] == 0
    path, = made.segments()
    numbers, _, boxes = check(path)
    assert len(numbers) == numbers[-1] - numbers[0] + 1 - said["missed"]
    assert min(boxes) < killed and max(boxes) > again
    assert not [number for number in boxes if killed + 1 < number < again - 1]


def test_objects_without_boxes_are_in_the_sidecar_in_pixels_of_the_recorded_picture(camera, start):
    start.worker()
    made = start.recorder({"segment": "1 s", "boxes": False, "encode": "videoconvert ! videoscale ! video/x-raw,width=128,height=64 ! jpegenc"})
    made.until(lambda report: report["segments"] >= 3)
    ended(made)
    content, found = objects_of(made.segments()[1])
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (128, 64)
    for number, objects in found.items():
        assert objects == ([] if number % 7 == 3 else [("person", *(edge / 2 for edge in box_of(number)))])


def test_what_is_no_result_is_refused_and_the_recording_goes_on(camera, start, socket):
    made = start.recorder({"segment": "500 ms", "wait": "100 ms"})
    with shmring.Publisher(str(results_path(socket, "person")), caps="application/x-frame-results,format=json", slot_size=4096) as liar:
        with shmring.Reader(socket, "latest", worker="liar") as reader:
            for number, frame in zip(range(200), reader):
                content = [b"{", b"[]", os.urandom(100), b'{"objects": [{"box": [0, 0, 1e400, 1]}]}'][number % 4]
                with frame:
                    liar.publish(np.frombuffer(content, np.uint8), pts=frame.pts)
    said = made.until(lambda report: report["segments"] >= 3)
    assert said["objects"] == 0 and ended(made)["frames_lost"] == 0
    assert objects_of(made.segments()[1])[1] == {}


def test_results_that_cannot_be_read_are_told_and_tried_again(camera, start, socket):
    start.worker()
    with shmring.Reader(str(results_path(socket, "person")), worker="recorder") as thief:  # the recorder's place
        thief.read(timeout=60 * PATIENCE).release()
        made = start.recorder({"segment": "1 h"})
        eventually(lambda: any("the results of person cannot be read" in message["text"] for message in made.listen("warning")))
        before = made.recording()["frames_written"]
        made.until(lambda report: report["frames_written"] > before + 20)
        assert made.listen()[-1]["joined"] == 0
    made.until(lambda report: report["objects"] > 20)
    assert ended(made)["frames_lost"] == 0
    check(made.segments()[0])


def test_a_ring_of_something_else_gives_no_objects(camera, start, socket):
    with shmring.Publisher(str(results_path(socket, "person")), caps="video/x-raw,format=GRAY8,width=8,height=8,framerate=10/1",
                           slot_size=64) as other:
        made = start.recorder({"segment": "500 ms", "wait": "100 ms"})
        for _ in range(50):
            other.publish(np.zeros((8, 8), np.uint8), pts=time.monotonic_ns())
            time.sleep(0.02)
        made.until(lambda report: report["segments"] >= 3)
    said = ended(made)
    assert said["objects"] == 0 and said["frames_lost"] == 0


def test_a_worker_that_never_comes_costs_nothing(camera, start):
    made = start.recorder({"segment": "500 ms"})
    made.until(lambda report: report["segments"] >= 3)
    assert ended(made)["frames_lost"] == 0
    assert objects_of(made.segments()[0])[1] == {}


def test_a_stopped_worker_holds_the_recording_up_for_a_moment_only(camera, start):
    worker = start.worker()
    made = start.recorder({"segment": "1 h", "wait": "300 ms"})
    made.until(lambda report: report["objects"] > 40)
    worker.send_signal(signal.SIGSTOP)
    before = made.listen()[-1]["frames_written"]
    made.until(lambda report: report["frames_written"] > before + 100)
    worker.send_signal(signal.SIGCONT)
    have = made.listen()[-1]["objects"]
    made.until(lambda report: report["objects"] > have + 40)
    said = ended(made)
    assert said["frames_lost"] == 0
    check(made.segments()[0])
