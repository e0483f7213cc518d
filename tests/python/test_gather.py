# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams in step: every complete set comes whole and once, every other is counted."""

import itertools
import re
import threading
import time
import types
from contextlib import ExitStack

import pytest
import shmring
from conftest import attach, eventually


@pytest.fixture
def streams(tmp_path):
    """streams(n): n publishers and their readers, of one-byte frames."""
    with ExitStack() as stack:
        def make(count):
            publishers = [stack.enter_context(shmring.Publisher(tmp_path / f"{i}.sock", slot_size=1, depth=32)) for i in range(count)]
            readers = [stack.enter_context(shmring.Reader(tmp_path / f"{i}.sock", worker="gather")) for i in range(count)]
            for reader in readers:
                attach(reader)
            return publishers, readers

        yield make


def send(publisher, *times):
    for pts in times:
        assert publisher.publish(bytes([pts % 256]), pts=pts)


def end(publishers):
    for publisher in publishers:
        publisher.end()


def test_sets_have_one_frame_of_each_stream_in_the_order_of_the_readers(streams):
    publishers, readers = streams(3)
    for pts in range(10):
        for number, publisher in enumerate(publishers):
            publisher.publish(bytes([number]), pts=pts)
    end(publishers)
    sets = shmring.gather(readers)
    assert [[(frame.pts, bytes(frame)[0]) for frame in frames] for frames in sets] == [
        [(pts, 0), (pts, 1), (pts, 2)] for pts in range(10)]
    assert (sets.complete, sets.incomplete, sets.missing) == (10, 0, [0, 0, 0])


def test_a_frame_whose_partner_is_lost_is_let_go_and_counted_once(streams):
    publishers, readers = streams(3)
    send(publishers[0], 1, 2, 3, 4, 5, 6)
    send(publishers[1], 1, 3, 4, 6)
    send(publishers[2], 1, 2, 4, 5, 6)
    end(publishers)
    sets = shmring.gather(readers)
    assert [frames[0].pts for frames in sets] == [1, 4, 6]
    assert (sets.complete, sets.incomplete) == (3, 3)
    assert sets.dropped == [3, 1, 2]
    assert sets.missing == [0, 2, 1]


def test_frames_within_the_tolerance_belong_together(streams):
    publishers, readers = streams(2)
    ms = 1_000_000
    send(publishers[0], 0, 33 * ms, 66 * ms)
    send(publishers[1], 4 * ms, 30 * ms, 80 * ms)
    end(publishers)
    sets = shmring.gather(readers, tolerance=0.005)
    assert [tuple(frame.pts // ms for frame in frames) for frames in sets] == [(0, 4), (33, 30)]
    assert (sets.incomplete, sets.missing) == (2, [1, 1])


def test_streams_can_be_aligned_by_number_or_by_anything_that_grows(streams):
    publishers, readers = streams(2)
    send(publishers[0], 100, 200, 300)
    send(publishers[1], 7, 8, 9)
    assert [frame.sequence for frame in next(shmring.gather(readers, key="seq"))] == [1, 1]
    assert [frame.pts for frame in next(shmring.gather(readers, key=lambda frame: bytes(frame)[0], tolerance=1000))] == [200, 8]


def test_a_set_waits_for_its_last_frame(streams):
    publishers, readers = streams(2)
    send(publishers[0], 1)
    timer = threading.Timer(0.1, send, (publishers[1], 1))
    timer.start()
    assert [frame.pts for frame in next(shmring.gather(readers))] == [1, 1]
    timer.join()


def test_a_stream_that_stays_away_is_named_and_the_others_are_not_lost(streams):
    publishers, readers = streams(3)
    send(publishers[1], 1)
    sets = shmring.gather(readers, timeout=0.05)
    with pytest.raises(shmring.Timeout, match="stream 0, 2"):
        next(sets)
    send(publishers[0], 1)
    send(publishers[2], 1)
    assert [frame.pts for frame in next(sets)] == [1, 1, 1]
    assert sets.incomplete == 0


def test_sixteen_streams_of_which_each_loses_frames_of_its_own_stay_in_step(streams):
    publishers, readers = streams(16)
    lost = {pts: pts % 16 for pts in range(5, 300, 17)}

    def publish():
        for pts in range(300):
            for number, publisher in enumerate(publishers):
                if lost.get(pts) != number:
                    send(publisher, pts)
            time.sleep(0.001)
        end(publishers)

    thread = threading.Thread(target=publish)
    thread.start()
    sets = shmring.gather(readers)
    seen = []
    for frames in sets:
        assert len({frame.pts for frame in frames}) == 1
        seen.append(frames[0].pts)
    thread.join()
    assert seen == [pts for pts in range(300) if pts not in lost]
    assert sets.incomplete == len(lost)
    assert sets.missing == [sum(1 for number in lost.values() if number == stream) for stream in range(16)]


def test_nothing_is_held_after_the_end(streams):
    publishers, readers = streams(2)
    send(publishers[0], 1, 2, 3)
    send(publishers[1], 1)
    end(publishers)
    sets = shmring.gather(readers)
    assert len(list(sets)) == 1
    assert [reader.stats()["held"] for reader in readers] == [0, 0]
    assert sets.incomplete == 2 or sets.dropped == [1, 0]


def test_frames_without_the_key_are_an_error_that_says_so(streams):
    publishers, readers = streams(1)
    publishers[0].publish(b"x")
    with pytest.raises(shmring.Invalid, match="do-timestamp"):
        next(shmring.gather(readers, key="offset"))
    with pytest.raises(shmring.Invalid):
        shmring.gather([])


def test_streams_that_begin_anew_together_are_aligned_again(streams):
    publishers, readers = streams(2)
    sets = shmring.gather(readers)
    for start in (1_000_000, 0, 500):
        for pts in range(start, start + 4):
            for publisher in publishers:
                send(publisher, pts)
        assert [[frame.pts for frame in next(sets)] for _ in range(4)] == [[pts, pts] for pts in range(start, start + 4)]
    assert sets.complete == 12


@pytest.mark.parametrize("first", [0, 1])
def test_by_number_a_new_publisher_is_no_partner_for_frames_from_before_it(tmp_path, first):
    """Its number runs on where the other stream is: only the publisher tells that it is another one."""
    def start(index, word, *numbers):
        publisher = shmring.Publisher(tmp_path / f"{index}.sock", slot_size=3)
        for _ in numbers:
            publisher.publish(word)
        return publisher

    publishers = [start(index, b"old") for index in range(2)]
    with ExitStack() as stack:
        readers = [stack.enter_context(shmring.Reader(tmp_path / f"{index}.sock")) for index in range(2)]
        for reader in readers:
            attach(reader)
        sets = shmring.gather(readers, key="sequence", timeout=0.2)
        for publisher in publishers:
            publisher.publish(b"old")
        assert len(next(sets)) == 2
        publishers[1 - first].publish(b"old")  # 2, without a partner
        publishers[first].close()
        publishers[first] = start(first, b"new", 1, 2)
        eventually(lambda: found(sets) is None and sets.restarts[first] == 1 and sets.dropped[1 - first] == 1)
        publishers[1 - first].close()
        publishers[1 - first] = start(1 - first, b"new", 1, 2)
        frames = eventually(lambda: found(sets))
        assert [(frame.sequence, bytes(frame)) for frame in frames] == [(2, b"new")] * 2
        assert sets.restarts == [1, 1]
    for publisher in publishers:
        publisher.close()


def found(sets):
    try:
        return next(sets)
    except shmring.Timeout:
        return None


@pytest.mark.parametrize("first", [0, 1])
def test_a_frame_from_before_a_stream_began_anew_does_not_stop_the_sets(streams, first):
    publishers, readers = streams(2)
    sets = shmring.gather(readers)
    for publisher in publishers:
        send(publisher, 1000)
    assert next(sets)[0].pts == 1000
    send(publishers[1 - first], 1001)  # its partner is lost in the restart
    for pts in range(3):
        for publisher in publishers:
            send(publisher, pts)
    assert [[frame.pts for frame in next(sets)] for _ in range(3)] == [[pts, pts] for pts in range(3)]


def test_a_stream_that_begins_anew_later_than_the_other_is_found_again(streams):
    """The frame that it left behind is far ahead of all that come, and the other stream's are not to be given up for it for ever."""
    publishers, readers = streams(2)
    second = 1_000_000_000
    stop = threading.Event()
    restarted = threading.Event()

    def publish():
        clocks = [600 * second, 600 * second]
        for number in range(100_000):
            if number == 10:
                clocks[0] = 0
            if number == 30:
                clocks[1] = clocks[0]
                restarted.set()
            for index, publisher in enumerate(publishers):
                publisher.publish(b"x", pts=clocks[index])
                clocks[index] += second // 100
            if stop.wait(0.01):
                return

    thread = threading.Thread(target=publish)
    thread.start()
    sets = shmring.gather(readers, tolerance=0.002)
    while not (restarted.is_set() and next(sets)[0].pts < 600 * second):
        pass
    stop.set()
    thread.join()


def test_streams_that_never_come_together_are_told_with_the_remedy(streams):
    publishers, readers = streams(2)
    stop = threading.Event()

    def publish():
        for number in range(100_000):
            send(publishers[0], number * 10_000_000)
            send(publishers[1], 3_600_000_000_000 + number * 10_000_000)
            if stop.wait(0.01):
                return

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        sets = shmring.gather(readers, timeout=0.1)

        def told():
            with pytest.raises(shmring.Timeout) as caught:
                next(sets)
            return re.search(r"stream 1 is 3\d+\S* s ahead of stream 0.*clock.*key", str(caught.value))

        eventually(told)
    finally:
        stop.set()
        thread.join()


def test_a_stream_that_is_behind_by_less_than_it_takes_to_come_up_costs_no_set(streams, monkeypatch):
    seconds = itertools.count()
    monkeypatch.setattr("shmring._gather.time", types.SimpleNamespace(monotonic=lambda: next(seconds) * 0.03))
    publishers, readers = streams(2)
    send(publishers[1], *range(100, 130))
    late = threading.Thread(target=lambda: [(send(publishers[0], pts), time.sleep(0.002)) for pts in range(60, 130)])
    late.start()
    sets = shmring.gather(readers)
    assert [next(sets)[1].pts for _ in range(20)] == list(range(100, 120))
    late.join()


def test_a_frame_without_a_key_costs_itself_only(streams):
    publishers, readers = streams(1)
    publishers[0].publish(b"x", flags=shmring.Flag.HEADER)
    send(publishers[0], 5)
    sets = shmring.gather(readers)
    with pytest.raises(shmring.Invalid, match="stream 0: frame 1 has no pts"):
        next(sets)
    assert next(sets)[0].pts == 5


def test_threads_may_share_it_and_each_set_goes_to_one_of_them(streams):
    publishers, readers = streams(2)
    sets = shmring.gather(readers)
    seen = []

    def work():
        for frames in sets:
            seen.append([frame.pts for frame in frames])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for pts in range(200):
        for publisher in publishers:
            send(publisher, pts)
        while len(seen) <= pts - 10:
            time.sleep(0.001)
    while len(seen) < 200:
        time.sleep(0.001)
    for reader in readers:
        reader.close()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [[pts, pts] for pts in range(200)]


def test_what_cannot_be_served_is_refused_at_once(streams):
    publishers, readers = streams(2)
    with pytest.raises(shmring.Invalid, match="streams 0 and 2 are the same reader"):
        shmring.gather([readers[0], readers[1], readers[0]])
    sets = shmring.gather(readers, key=lambda frame: next(sets))
    send(publishers[0], 1)
    send(publishers[1], 1)
    with pytest.raises(RuntimeError, match="key function"):
        next(sets)


def test_streams_that_are_apart_for_long_are_told_without_a_timeout_too(streams):
    publishers, readers = streams(2)
    sets = shmring.gather(readers)
    for publisher in publishers:
        send(publisher, 3_600_000_000_000)
    next(sets)
    stop = threading.Event()

    def publish():
        for number in range(1, 100_000):
            send(publishers[0], number * 1_000_000)  # this one began anew, the other never will
            send(publishers[1], 3_600_000_000_000 + number * 1_000_000)
            if stop.wait(0.001):
                return

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        with pytest.warns(RuntimeWarning, match="stream 1 is 3.* ahead of stream 0.*one clock") as told:
            aligning = threading.Thread(target=lambda: list(sets))
            aligning.start()
            eventually(lambda: len(told) == 1)
            for reader in readers:
                reader.close()
            aligning.join()
    finally:
        stop.set()
        thread.join()
