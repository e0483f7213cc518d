# SPDX-License-Identifier: LGPL-2.1-or-later
"""The newest picture with OpenCV's interface, and once."""

import threading

import numpy as np
import pytest
import shmring
from conftest import eventually, pattern

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def publisher(path):
    with shmring.Publisher(path, format="BGR", width=8, height=6, framerate=25, max_readers=4) as publisher:
        yield publisher


def grey(number):
    return np.full((6, 8, 3), number, np.uint8)


def opened(path):
    capture = shmring.VideoCapture(path, timeout=None)
    assert capture.isOpened()
    return capture


def test_the_first_picture_is_there_already_and_then_the_newest_comes(publisher, path):
    publisher.publish(grey(1))
    capture = opened(path)
    ok, picture = capture.read()
    assert ok and np.array_equal(picture, grey(1))
    for number in (2, 3, 4):
        publisher.publish(grey(number))
    ok, picture = capture.read()
    assert ok and np.array_equal(picture, grey(4))
    picture[:] = 0  # its own memory


def test_a_picture_that_came_since_the_opening_is_the_first_one_read(publisher, path):
    publisher.publish(grey(1))
    capture = opened(path)
    publisher.publish(grey(2))
    assert np.array_equal(capture.read()[1], grey(2))


def test_the_properties_are_known_before_the_first_read(publisher, path):
    publisher.publish(grey(1), pts=2_500_000_000)
    capture = opened(path)
    wanted = {cv2.CAP_PROP_FRAME_WIDTH: 8, cv2.CAP_PROP_FRAME_HEIGHT: 6, cv2.CAP_PROP_FPS: 25, cv2.CAP_PROP_POS_MSEC: 2500,
              cv2.CAP_PROP_POS_FRAMES: 1, cv2.CAP_PROP_BRIGHTNESS: 0}
    assert {number: capture.get(number) for number in wanted} == wanted
    assert capture.set(cv2.CAP_PROP_BUFFERSIZE, 1) is False
    assert capture.getBackendName() == "SHMRING"


def test_grab_and_retrieve_are_a_read_in_two_steps(publisher, path):
    publisher.publish(grey(1))
    capture = opened(path)
    assert capture.retrieve() == (False, None)
    assert capture.grab() is True
    assert np.array_equal(capture.retrieve()[1], grey(1))


def test_a_picture_in_another_format_is_converted(path):
    image = pattern(6, 8)
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        publisher.publish(image)
        assert np.array_equal(opened(path).read()[1], cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))


def test_where_no_picture_comes_opening_fails_and_says_so(publisher, path):
    with pytest.warns(RuntimeWarning, match="no frame came from .*ring.sock"):
        capture = shmring.VideoCapture(path, timeout=0.05)
    assert not capture.isOpened()
    assert capture.read() == (False, None)
    publisher.publish(grey(1))
    capture.timeout = None
    assert capture.open(path) and capture.isOpened()


def test_frames_that_are_no_pictures_are_refused_and_keep_no_place(path):
    with shmring.Publisher(path, slot_size=8) as publisher:
        publisher.publish(bytes(8))
        with pytest.raises(shmring.Invalid, match="videoconvert"):
            shmring.VideoCapture(path)
        eventually(lambda: publisher.stats()["readers"] == 0)


def test_read_gives_false_in_vain_at_the_end_and_after_release(publisher, path):
    publisher.publish(grey(1))
    capture = opened(path)
    capture.timeout = 0.05
    assert capture.read()[0] is True
    assert capture.read() == (False, None)
    publisher.end()
    assert capture.read() == (False, None)
    capture.release()
    assert capture.read() == (False, None) and not capture.isOpened()
    capture.release()


def test_a_read_goes_on_with_the_next_publisher(path):
    with shmring.Publisher(path, format="BGR", width=8, height=6) as publisher:
        publisher.publish(grey(1))
        capture = opened(path)
        assert np.array_equal(capture.read()[1], grey(1))
    with shmring.Publisher(path, format="BGR", width=8, height=6) as publisher:
        publisher.publish(grey(7))
        assert np.array_equal(capture.read()[1], grey(7))


def test_release_ends_a_read_of_another_thread(publisher, path):
    publisher.publish(grey(1))
    capture = shmring.VideoCapture(path, timeout=None)
    capture.read()
    results = []
    thread = threading.Thread(target=lambda: results.append(capture.read()))
    thread.start()
    capture.release()
    thread.join()
    assert results == [(False, None)]


def test_no_frame_is_held_between_reads(publisher, path):
    publisher.publish(grey(1))
    capture = opened(path)
    pictures = []
    for number in range(20):
        pictures.append(capture.read()[1])
        publisher.publish(grey(number))
    assert publisher.stats()["accounts"][0]["held"] == 0


def test_a_snapshot_is_the_newest_frame_again_and_again(publisher, path):
    for number in (1, 2, 3):
        publisher.publish(grey(number))
    kept = [shmring.snapshot(path, None) for _ in range(20)]
    assert all(np.array_equal(picture, grey(3)) for picture in kept)
    kept[0][:] = 0


def test_a_snapshot_is_in_the_format_of_the_frame_or_in_bgr(path):
    image = pattern(6, 8)
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        publisher.publish(image)
        assert np.array_equal(shmring.snapshot(path, None), image)
        assert np.array_equal(shmring.snapshot(path, None, bgr=True), cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))


def test_a_snapshot_in_vain_says_where(publisher, path):
    with pytest.raises(shmring.Timeout, match="no frame came from .*ring.sock within 0.05 s"):
        shmring.snapshot(path, 0.05)
