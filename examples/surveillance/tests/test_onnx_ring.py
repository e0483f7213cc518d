# SPDX-License-Identifier: LGPL-2.1-or-later
"""The worker of an ONNX network as the process it is: frames of a ring in, results of the same frames out."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import onnx_network
import pytest
import shmring
from recording_rig import PATIENCE, eventually
from surveillance import channel
from surveillance.result_sender import results_path

CELL = 40  # pixels of the frame: a cell of the network


def box_of(number):
    return CELL * (number % 8), CELL * (number // 8 % 6), CELL, CELL


def picture(number):
    """Nothing in every fifth."""
    image = np.zeros((240, 320, 3), np.uint8)
    if number % 5:
        left, top, width, height = box_of(number)
        image[top:top + height, left:left + width, 2] = 204
    return image


@pytest.fixture
def ring(tmp_path):
    path, stop = str(tmp_path / "front.sock"), threading.Event()
    with shmring.Publisher(path, format="BGR", width=320, height=240) as publisher:
        def publish():
            number = 0
            while not stop.wait(0.03):
                number = publisher.publish(picture(number + 1)) or number
        thread = threading.Thread(target=publish)
        thread.start()
        yield path
        stop.set()
        thread.join()


def test_results_of_the_network_have_the_box_of_the_very_frame(ring, tmp_path):
    model = {"file": str(onnx_network.write(tmp_path / "tiny.onnx", "yolo")), "input": [64, 64], "output": "yolo", "version": 8,
             "labels": ["red", "green", "blue"], "event": "something red"}
    ours, theirs = channel.pair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-m", "surveillance.workers.onnx"], pass_fds=[theirs.fileno()], env={
            **os.environ, "WORKER_MODEL": json.dumps(model), "SHMRING_PATH": ring, "WORKER_NAME": "objects",
            "REPORT_FD": str(theirs.fileno())})
    said = []

    def hear(kind):
        said.extend(channel.receive(ours)[0])
        return [message for message in said if message["kind"] == kind]

    try:
        empty = 0
        with shmring.ResultReader(str(results_path(ring, "objects"))) as reader:
            for _ in range(30):
                result = reader.read(timeout=60 * PATIENCE)
                assert (result.worker, result.model, result.width, result.height) == ("objects", "tiny", 320, 240)
                found = [(one.label, tuple(one.box), round(one.score, 3)) for one in result.objects]
                assert found == ([("red", box_of(result.sequence), 0.8)] if result.sequence % 5 else [])
                empty += not found
        assert empty < 30
        eventually(lambda: any(message["label"] == "something red" for message in hear("event")), 60)
        assert max(message["found"] for message in hear("frame")) == 1
        process.terminate()
        assert process.wait(60 * PATIENCE) == 0 and hear("bye")
    finally:
        process.kill()
        process.wait()
        ours.close()
