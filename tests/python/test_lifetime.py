# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners of a slot: frames, arrays and memoryviews, each for itself, whatever happens around them."""

import asyncio
import concurrent.futures
import gc
import os
import re
import signal

import numpy as np
import pytest
import shmring
from conftest import attach, eventually, pattern, publish


@pytest.fixture
def ring(path):
    """A publisher and a reader that may hold three frames."""
    with shmring.Publisher(path, format="GRAY8", width=8, height=6, max_held=3) as publisher:
        with shmring.Reader(path, worker="holder") as reader:
            attach(reader)
            yield publisher, reader


def held(reader):
    return reader.stats()["held"]


def taken(ring, value=1):
    publisher, reader = ring
    publisher.publish(np.full((6, 8), value, np.uint8))
    return reader.read()


def test_a_frame_keeps_its_slot_until_it_dies(ring):
    frame = taken(ring)
    assert held(ring[1]) == 1
    del frame
    assert held(ring[1]) == 0


def test_release_gives_the_slot_back_at_once_and_only_once(ring):
    frame = taken(ring)
    frame.release()
    assert held(ring[1]) == 0
    frame.release()
    del frame
    assert held(ring[1]) == 0


def test_a_with_block_gives_the_slot_back_at_its_end(ring):
    with taken(ring) as frame:
        assert held(ring[1]) == 1
    assert held(ring[1]) == 0
    assert frame.sequence == 1


def test_a_released_frame_shows_its_numbers_but_no_pixels(ring):
    frame = taken(ring)
    frame.release()
    assert frame.sequence == 1 and frame.size == 48
    for look in (lambda: frame.array, lambda: frame.planes, lambda: frame.caps, lambda: memoryview(frame), lambda: bytes(frame)):
        with pytest.raises((shmring.Invalid, BufferError), match="released"):
            look()


@pytest.mark.parametrize("view", [
    lambda frame: frame.array,
    lambda frame: frame.array[2:, 1::3],
    lambda frame: frame.planes[0],
    memoryview,
    lambda frame: np.frombuffer(frame, np.uint8)[8:],
], ids=["array", "slice", "plane", "memoryview", "frombuffer"])
def test_a_view_keeps_the_slot_when_the_frame_is_released_and_dead(ring, view):
    frame = taken(ring, value=9)
    kept = view(frame)
    frame.release()
    del frame
    for value in range(20):  # as many as would go round the ring
        taken(ring, value)
    assert held(ring[1]) == 1
    assert set(np.asarray(kept).ravel()) == {9}
    del kept
    assert held(ring[1]) == 0


def test_the_slot_goes_back_with_the_last_of_several_views(ring):
    frame = taken(ring)
    views = [frame.array[:1], memoryview(frame), frame.planes[0]]
    del frame
    while views:
        assert held(ring[1]) == 1
        views.pop()
    assert held(ring[1]) == 0


def test_views_outlive_reader_and_publisher(path):
    publisher = shmring.Publisher(path, format="GRAY8", width=8, height=6)
    reader = attach(shmring.Reader(path))
    publisher.publish(pattern(6, 8))
    view = reader.read().array
    reader.close()
    publisher.close()
    del reader, publisher
    gc.collect()
    np.testing.assert_array_equal(view, pattern(6, 8))


def test_views_outlive_the_death_of_the_publisher_s_process_and_its_successor(path, publisher_process):
    first = publisher_process()
    with shmring.Reader(path) as reader:
        attach(reader)
        publish(first)
        view = reader.read().array
        first.kill()
        second = publisher_process()
        eventually(lambda: reader.read(0.01) is None and reader.connected and reader.stats()["publisher_pid"] == second.pid)
        for _ in range(30):
            publish(second)
            assert reader.read().pts > 0
        assert (view == 1).all()


def test_holding_as_many_as_granted_is_a_clear_error_and_the_next_read_after_a_release_goes_on(ring):
    publisher, reader = ring
    frames = [taken(ring) for _ in range(3)]
    publisher.publish(pattern(6, 8))
    with pytest.raises(shmring.TooManyHeld, match="holds 3 frames.*release one"):
        reader.read()
    frames.pop()
    assert reader.read().sequence == 4


@pytest.mark.parametrize("hold", [list, lambda frames: [*map(lambda frame: frame.array[1:], frames)], lambda frames: dict(enumerate(frames))])
def test_the_error_of_too_many_frames_names_the_variables_that_hold_them(ring, hold):
    publisher, reader = ring
    kept = hold([taken(ring) for _ in range(3)])
    other = None, 3, "text"
    publisher.publish(pattern(6, 8))
    with pytest.raises(shmring.TooManyHeld) as refused:
        reader.read()
    said = str(refused.value)
    assert "held by kept in test_the_error_of_too_many_frames" in said and "other in" not in said
    assert kept and other


def test_the_error_of_too_many_frames_names_a_future_and_an_exception_that_hold_them(ring):
    def fail():
        frames = taken(ring), taken(ring)
        raise ValueError(len(frames))

    publisher, reader = ring
    future = concurrent.futures.Future()
    future.set_result(taken(ring))
    publisher.publish(pattern(6, 8))
    try:
        fail()
    except ValueError:
        publisher.publish(pattern(6, 8))
        with pytest.raises(shmring.TooManyHeld) as refused:
            reader.read()
    assert re.search("future in test_.*frames in fail, kept by the exception before this one", str(refused.value))


def test_frames_of_a_former_ring_are_an_error_for_a_read_that_would_wait_for_ever_and_never_make_an_event_loop_spin(ring):
    publisher, reader = ring
    frames = [taken(ring) for _ in range(3)]
    publisher.resize(200)
    publisher.publish(pattern(6, 8))
    eventually(lambda: publisher.publish(pattern(6, 8)) and reader.read(0.01) is None and publisher.stats()["accounts"][0]["pending"])
    assert reader.read(0.02) is None  # another thread may release one
    for refused in (reader.read, lambda: reader.read(0), lambda: asyncio.run(anext(aiter(reader)))):
        with pytest.raises(shmring.TooManyHeld, match="holds 3 frames.*release one"):
            refused()
    frames.pop()
    assert reader.read(1).sequence > 3


def test_a_held_frame_costs_the_others_nothing(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6, max_readers=2) as publisher:
        with shmring.Reader(path, worker="hoarder") as hoarder, shmring.Reader(path, worker="brisk") as brisk:
            attach(hoarder)
            attach(brisk)
            hoard = []
            for number in range(1, 50):
                assert publisher.publish(pattern(6, 8)) == number
                if len(hoard) < 4:
                    hoard.append(hoarder.read())
                assert brisk.read().sequence == number
            assert [frame.sequence for frame in hoard] == [1, 2, 3, 4]


def test_frames_can_be_let_go_by_another_thread_and_in_any_order(ring):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        for _ in range(50):
            frames = [taken(ring) for _ in range(3)]
            list(pool.map(lambda frame: frame.release(), reversed(frames)))
            assert held(ring[1]) == 0


def test_a_killed_reader_leaves_its_slots_to_the_ring(path, spawn):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        child = spawn(path, code="""
            import sys, time, shmring
            reader = shmring.Reader(sys.argv[1], worker="victim")
            print("ready")
            frames = [reader.read() for _ in range(3)]
            print("holds")
            time.sleep(100)
        """)
        assert child.line() == "ready"
        eventually(lambda: publisher.stats()["readers"] == 1)
        for _ in range(3):
            publisher.publish(pattern(6, 8))
        assert child.line() == "holds"
        child.signal(signal.SIGKILL)
        stats = eventually(lambda: (stats := publisher.stats())["readers"] == 0 and stats["owned"] <= 1 and stats)
        assert stats["free_slots"] + stats["owned"] + stats["loaned"] == stats["slots"]


def test_nothing_is_left_when_all_is_closed(path):
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher, shmring.Reader(path) as reader:
            attach(reader)
            publisher.publish(pattern(6, 8))
            reader.read().array.sum()
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before
    assert not os.path.exists(path)
    with open("/proc/self/maps", encoding="utf-8") as maps:
        assert "shmring" not in "".join(line for line in maps if "memfd" in line)


def test_the_rings_memory_has_every_frame_of_it_and_outlives_the_reader(ring):
    publisher, reader = ring
    frame = taken(ring, 7)
    memory = reader.memory()
    view = np.frombuffer(memory, np.uint8)
    first = frame.array.ctypes.data - memory.address
    assert memory.nbytes == view.nbytes and (view[first:first + 8] == 7).all()
    assert not view.flags.writeable
    del frame
    assert held(reader) == 0  # it is no frame
    publisher.resize(slot_size=1000)
    with taken(ring, 8):
        assert reader.memory().generation != memory.generation
    reader.close()
    publisher.close()
    assert (view[first:first + 8] == 7).all()
    with pytest.raises(shmring.Closed):
        reader.memory()


def test_a_reader_without_a_publisher_has_no_memory(path):
    with shmring.Reader(path) as reader, pytest.raises(shmring.Disconnected):
        reader.memory()
