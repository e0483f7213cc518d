# SPDX-License-Identifier: LGPL-2.1-or-later
"""Either side may die and come back; who is in the way of whom is said by name."""

import os
import signal

import pytest
import shmring
from conftest import attach, eventually, pattern, publish

READER = """
    import sys, shmring
    with shmring.Reader(sys.argv[1], worker="phoenix") as reader:
        print("ready")
        for frame in reader:
            print(frame.sequence)
"""


def lane(publisher, name):
    return next((lane for lane in publisher.stats()["accounts"] if lane["worker"] == name), None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_reader_goes_on_with_the_next_publisher(path, publisher_process, number):
    with shmring.Reader(path) as reader:
        for attachment in range(1, 4):
            child = publisher_process()
            eventually(lambda: reader.read(0.01) is None and reader.stats()["publisher_pid"] == child.pid)
            publish(child)
            assert reader.read().sequence == 1
            assert reader.stats()["attachments"] == attachment
            child.signal(number)
            child.process.wait()


def test_frames_published_before_the_death_are_still_read(path, publisher_process):
    child = publisher_process()
    with shmring.Reader(path) as reader:
        attach(reader)
        for _ in range(4):
            publish(child)
        child.kill()
        assert [reader.read().sequence for _ in range(4)] == [1, 2, 3, 4]


def test_without_reconnect_the_death_of_the_publisher_is_an_error(path, publisher_process):
    child = publisher_process()
    with shmring.Reader(path, reconnect=False) as reader:
        attach(reader)
        child.kill()
        with pytest.raises(shmring.Disconnected, match="gone") as raised:
            reader.read()
        assert isinstance(raised.value, ConnectionError)


def test_a_killed_reader_s_successor_has_its_name_and_its_account(path, spawn):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        for generation in range(1, 4):
            child = spawn(path, code=READER)
            assert child.line() == "ready"
            eventually(lambda: (entry := lane(publisher, "phoenix")) and entry["generation"] == generation
                       and entry["state"] == "active")
            sequence = publisher.publish(pattern(6, 8))
            while child.line() != str(sequence):  # the newest frame of before comes first
                pass
            child.signal(signal.SIGKILL)
            child.process.wait()
            eventually(lambda: lane(publisher, "phoenix")["state"] == "gone")
        entry = lane(publisher, "phoenix")
        assert entry["offered"] == entry["delivered"] + entry["dropped"] + entry["pending"]


def test_a_second_publisher_is_told_who_has_the_path(path, publisher_process):
    child = publisher_process()
    with pytest.raises(shmring.InUse, match=f"{path}.*{child.pid}"):
        shmring.Publisher(path, slot_size=10)


def test_a_second_reader_of_an_exclusive_ring_is_told_who_has_it(path, spawn):
    with shmring.Publisher(path, slot_size=10) as publisher:
        child = spawn(path, code=READER)
        assert child.line() == "ready"
        eventually(lambda: publisher.stats()["readers"] == 1)
        with shmring.Reader(path, worker="second") as second:
            with pytest.raises(shmring.InUse, match=f"phoenix.*{child.pid}"):
                second.read()
            child.kill()
            eventually(lambda: attach(second))  # the place is free now


def test_a_name_has_one_owner(path, spawn):
    with shmring.Publisher(path, slot_size=10, max_readers=4) as publisher:
        child = spawn(path, code=READER)
        assert child.line() == "ready"
        eventually(lambda: publisher.stats()["readers"] == 1)
        with shmring.Reader(path, worker="phoenix") as impostor:
            with pytest.raises(shmring.InUse, match=f"phoenix.*{child.pid}"):
                impostor.read()


def test_asking_for_more_than_there_is_is_refused_with_the_figures(path):
    with shmring.Publisher(path, slot_size=10, depth=3, max_held=2):
        with shmring.Reader(path, max_held=100) as greedy:
            try:
                assert greedy.read(1) is None  # granted as much as there is
                assert greedy.stats()["max_held"] == 2
            except shmring.Refused as error:
                assert "2" in str(error)


def test_a_dead_publisher_s_socket_file_is_replaced(path, publisher_process):
    publisher_process().kill()
    assert os.path.exists(path)
    with shmring.Publisher(path, slot_size=10), shmring.Reader(path) as reader:
        attach(reader)


def test_without_a_name_a_reader_goes_by_its_program_and_process(path):
    with shmring.Publisher(path, slot_size=10) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        assert publisher.stats()["accounts"][0]["worker"].endswith(f"-{os.getpid()}")


@pytest.mark.parametrize(("options", "sentence"), [
    ({"policy": "newest"}, "drop-newest, drop-oldest, latest"),
    ({"wake": "now"}, "block, adaptive"),
    ({"worker": "x" * 64}, "63"),
    ({"worker": "a\nb"}, "control"),
    ({"max_held": 1000}, "256"),
    ({"max_frame_age": -1}, "seconds"),
])
def test_wrong_arguments_are_refused_with_what_would_be_right(path, options, sentence):
    with pytest.raises(shmring.Invalid, match=sentence):
        shmring.Reader(path, **options)


def test_a_path_too_long_for_a_socket_is_refused(tmp_path):
    with pytest.raises(shmring.Invalid, match="107"):
        shmring.Reader(tmp_path / ("x" * 120))
    with pytest.raises(shmring.Error, match=r"107|folder|directory"):
        shmring.Publisher(tmp_path / "missing" / "ring.sock", slot_size=10)


def test_a_path_may_be_a_path_object_or_bytes(tmp_path):
    with shmring.Publisher(tmp_path / "ring.sock", slot_size=10):
        for same in (tmp_path / "ring.sock", os.fsencode(tmp_path / "ring.sock"), str(tmp_path / "ring.sock")):
            with shmring.Reader(same) as reader:
                attach(reader)


def test_a_worker_that_is_killed_and_comes_back_is_not_given_its_last_frame_again(path, spawn):
    code = """
        import sys, time, shmring
        reader = shmring.Reader(sys.argv[1], worker="detector")
        for frame in reader:
            print(frame.sequence)
    """
    with shmring.Publisher(path, slot_size=1, max_readers=2) as publisher:
        publisher.publish(b"x")
        for number in (1, 2, 3):
            worker = spawn(path, code=code)
            eventually(lambda number=number: (lanes := publisher.stats()["accounts"]) and lanes[0]["generation"] == number)
            if number > 1:
                publisher.publish(b"x")
            assert worker.line() == str(number)
            worker.kill()
            eventually(lambda: publisher.stats()["readers"] == 0)
