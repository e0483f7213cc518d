# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several readers in one thread: select and batch."""

import threading
import time
from contextlib import ExitStack

import pytest
import shmring
from conftest import attach, eventually


@pytest.fixture
def streams(tmp_path):
    """streams(n, …): n publishers and their readers, of one-byte frames."""
    with ExitStack() as stack:
        def make(count, **options):
            publishers = [stack.enter_context(shmring.Publisher(tmp_path / f"{i}.sock", slot_size=1)) for i in range(count)]
            readers = [stack.enter_context(shmring.Reader(tmp_path / f"{i}.sock", "latest", **options)) for i in range(count)]
            for reader in readers:
                attach(reader)
            return publishers, readers

        yield make


def later(call, *arguments):
    timer = threading.Timer(0.1, call, arguments)
    timer.start()
    return timer


def test_select_gives_each_frame_with_its_reader(streams):
    publishers, readers = streams(3)
    publishers[0].publish(b"a")
    publishers[2].publish(b"c")
    found = shmring.select(readers)
    assert [(readers.index(reader), bytes(frame)) for reader, frame in found] == [(0, b"a"), (2, b"c")]


def test_select_waits_for_a_frame_as_long_as_it_may(streams):
    publishers, readers = streams(2)
    start = time.monotonic()
    assert shmring.select(readers, 0) == []
    assert shmring.select(readers, 0.05) == []
    assert time.monotonic() - start >= 0.05
    timer = later(publishers[1].publish, b"b")
    assert [reader for reader, _ in shmring.select(readers)] == [readers[1]]
    timer.join()


def test_select_finds_a_publisher_that_comes_later(path):
    with shmring.Reader(path) as reader:
        def start():
            publishers.append(shmring.Publisher(path, slot_size=1))
            publishers[0].publish(b"a")

        publishers = []
        timer = later(start)
        assert [bytes(frame) for _, frame in shmring.select([reader])] == [b"a"]
        timer.join()
        publishers[0].close()


def test_select_tells_the_end_of_a_stream_and_a_closed_reader(streams):
    publishers, readers = streams(2)
    publishers[1].end()
    assert shmring.select(readers) == [(readers[1], None)]
    readers[0].close()
    with pytest.raises(shmring.Closed):
        shmring.select(readers)


def test_a_batch_has_the_newest_frame_of_each_stream_that_has_one(streams):
    publishers, readers = streams(3)
    for letter in b"abc":
        publishers[0].publish(bytes([letter]))
    publishers[2].publish(b"z")
    batches = shmring.batch(readers)
    assert [(readers.index(reader), bytes(frame)) for reader, frame in next(batches)] == [(0, b"c"), (2, b"z")]


def test_a_batch_waits_for_its_first_frame_and_then_for_the_others_until_it_is_full(streams):
    publishers, readers = streams(2)
    timers = [later(publishers[0].publish, b"a"), threading.Timer(0.3, publishers[1].publish, (b"b",))]
    timers[1].start()
    assert {bytes(frame) for _, frame in next(shmring.batch(readers, timeout=1000))} == {b"a", b"b"}
    for timer in timers:
        timer.join()


def test_a_batch_is_given_when_its_time_is_over(streams):
    publishers, readers = streams(2)
    publishers[1].publish(b"b")
    start = time.monotonic()
    assert [bytes(frame) for _, frame in next(shmring.batch(readers, timeout=0.1))] == [b"b"]
    assert time.monotonic() - start >= 0.1


def test_small_batches_take_the_streams_in_turn(streams):
    publishers, readers = streams(5)
    batches = shmring.batch(readers, size=2)
    seen = []
    for _ in range(5):
        for publisher in publishers:
            publisher.publish(b"x")
        seen += [readers.index(reader) for reader, _ in next(batches)]
    assert sorted(seen) == sorted([*range(5)] * 2)


def test_a_stream_that_ends_leaves_the_others_and_the_last_ends_the_batches(streams):
    publishers, readers = streams(3)
    batches = shmring.batch(readers, timeout=1000)
    readers[0].close()
    publishers[1].publish(b"b")
    publishers[1].end()
    publishers[2].publish(b"c")
    assert {bytes(frame) for _, frame in next(batches)} == {b"b", b"c"}
    publishers[2].publish(b"d")
    assert [bytes(frame) for _, frame in next(batches)] == [b"d"]
    publishers[2].end()
    assert list(batches) == []


def test_batches_keep_to_the_rates_of_their_readers(streams):
    publishers, readers = streams(2, max_rate=10)
    batches = shmring.batch(readers, timeout=1000)
    start = time.monotonic()
    for _ in range(4):
        for publisher in publishers:
            publisher.publish(b"x")
        assert len(next(batches)) == 2
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize("call", [shmring.select, shmring.batch])
def test_wrong_readers_are_refused(path, call):
    with shmring.Reader(path) as reader:
        for readers in [], [reader, reader]:
            with pytest.raises(shmring.Invalid, match=call.__name__):
                call(readers)
        with pytest.raises(shmring.Invalid, match="size"):
            shmring.batch([reader], 0)


def test_held_frames_of_a_batch_are_the_callers(streams):
    publishers, readers = streams(2)
    for publisher in publishers:
        publisher.publish(b"x")
    frames = next(shmring.batch(readers))
    eventually(lambda: publishers[0].stats()["accounts"][0]["held"] == 1)
    del frames
    eventually(lambda: publishers[0].stats()["accounts"][0]["held"] == 0)
