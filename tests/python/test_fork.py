# SPDX-License-Identifier: LGPL-2.1-or-later
"""A forked child: it sees the frames its parent held, and nothing it does or leaves undone reaches the ring."""

import multiprocessing
import os
import threading

import numpy as np
import pytest
import shmring
from conftest import attach, eventually, pattern


@pytest.fixture
def ring(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        with shmring.Reader(path, worker="parent") as reader:
            attach(reader)
            yield publisher, reader


def in_child(work):
    """Runs work in a forked child and returns what it returned, or the name of what it raised."""
    ours, theirs = multiprocessing.get_context("fork").Pipe(duplex=False)

    def run():
        try:
            theirs.send(work())
        except Exception as error:
            theirs.send(type(error).__name__)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    result = ours.recv()
    child.join()
    assert child.exitcode == 0
    return result


def test_a_child_reads_the_frames_that_its_parent_holds(ring):
    publisher, reader = ring
    publisher.publish(pattern(6, 8))
    frame = reader.read()
    array = frame.array
    assert in_child(lambda: np.array_equal(array, pattern(6, 8)) and bytes(frame) == pattern(6, 8).tobytes())


def test_what_a_child_releases_stays_held_by_the_parent(ring):
    publisher, reader = ring
    publisher.publish(pattern(6, 8))
    frame = reader.read()
    assert in_child(lambda: frame.release()) is None
    assert in_child(lambda: reader.close()) is None
    for _ in range(30):
        publisher.publish(np.zeros((6, 8), np.uint8))
        reader.read()
    np.testing.assert_array_equal(frame.array, pattern(6, 8))
    assert reader.stats()["held"] == 1


def test_a_child_that_uses_the_parent_s_reader_is_told(ring):
    _, reader = ring
    assert in_child(lambda: reader.read(0)) == "Forked"
    assert in_child(lambda: next(reader)) == "Forked"


def test_a_child_that_uses_the_parent_s_publisher_is_told_and_its_end_closes_nothing(ring, path):
    publisher, reader = ring
    assert in_child(lambda: publisher.publish(pattern(6, 8))) == "Forked"
    assert in_child(lambda: publisher.loan()) == "Forked"
    assert in_child(lambda: publisher.close()) is None
    assert os.path.exists(path)
    assert publisher.publish(pattern(6, 8)) == 1
    assert reader.read(10).sequence == 1


def test_a_child_ends_all_that_its_parent_opened_in_any_order(ring):
    publisher, reader = ring
    publisher.publish(pattern(6, 8))
    frame, loan = reader.read(10), publisher.loan()
    ends = [frame.release, loan.discard, reader.close, publisher.close]
    for first in range(len(ends)):
        assert in_child(lambda: [end() for end in ends[first:] + ends[:first]] and None) is None
    np.testing.assert_array_equal(frame.array, pattern(6, 8))
    assert publisher.publish(pattern(6, 8)) == 2
    assert reader.read(10).sequence == 2


def test_a_child_forked_while_another_thread_waits_in_the_reader_does_not_hang(ring):
    publisher, reader = ring
    waiting = threading.Thread(target=reader.read)
    waiting.start()
    try:
        for _ in range(5):
            assert in_child(lambda: reader.read(0)) == "Forked"
            assert in_child(lambda: reader.close()) is None
    finally:
        publisher.publish(pattern(6, 8))
        waiting.join()


def test_a_child_opens_a_reader_of_its_own(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6, max_readers=2) as publisher:
        with shmring.Reader(path, worker="parent") as reader:
            attach(reader)

            def work():
                with shmring.Reader(path, worker="child") as own:
                    return own.read().sequence

            publisher.publish(pattern(6, 8))
            assert in_child(work) == 1
            names = {lane["worker"] for lane in eventually(lambda: publisher.stats()["accounts"])}
            assert names == {"parent", "child"}
