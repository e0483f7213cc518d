# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results: sent for a frame, read by others; what is no result is refused and counted, and ends no reader's loop."""

import asyncio
import contextlib
import json
import logging
import threading
import time

import numpy as np
import pytest
import shmring
from conftest import attach, eventually

PERSON = shmring.Object("person", 0.9, (10.0, -2.5, 30.0, 80.0), track=7, polygon=((1.0, 2.0), (3.0, 4.0)), keypoints=((1.0, 2.0, 0.5), (3.0, 4.0)),
                        attributes={"coat": "red", "height": 1.8, "walks": True})
FACE = shmring.Object("face", 0.5, (12.0, 0.0, 8.0, 8.0), parent=0)


@pytest.fixture
def frame(tmp_path):
    """A frame of a camera's ring."""
    path = str(tmp_path / "camera.sock")
    with shmring.Publisher(path, format="GRAY8", width=64, height=48) as publisher, shmring.Reader(path, worker="test") as reader:
        publisher.publish(np.zeros((48, 64), np.uint8), pts=time.monotonic_ns(), capture_utc=1_700_000_000_000_000_001)
        yield reader.read()


@pytest.fixture
def results(path):
    with shmring.Results(path, worker="person", model="hog") as results:
        yield results


@pytest.fixture
def reader(path, results):
    with shmring.ResultReader(path, worker="test") as reader:
        assert eventually(lambda: reader.read(0.01) is None and reader.connected)
        yield reader


@pytest.fixture
def raw(path):
    """raw(bytes…): what a reader makes of these frames of a ring of results, and the reader."""
    with shmring.Publisher(path, slot_size=1 << 20, caps="application/x-frame-results, format=(string)json", depth=64) as publisher, \
            shmring.ResultReader(path, worker="test") as reader:
        attach(reader)

        def read(*frames):
            for each in frames:
                publisher.publish(each)
            publisher.publish(b'{"objects":[],"worker":"last"}')
            return list(iter(lambda: reader.read().worker, "last"))

        read.reader = reader
        yield read


def test_a_result_is_read_as_it_was_sent(results, reader, frame, tmp_path):
    assert results.send(frame, [PERSON, FACE], classes=[("day", 0.75)], extra={"a": [1, {"b": None}]}, took=5) == 1
    found = reader.read()
    assert found == shmring.Result(
        ring=str(tmp_path / "camera.sock"), sequence=1, pts=frame.pts, width=64, height=48, worker="person", model="hog", took=5,
        objects=[PERSON, FACE], classes=[shmring.Classification("day", 0.75)], extra={"a": [1, {"b": None}]},
        captured_at=1_700_000_000_000_000_001, sent_at=found.sent_at)
    assert 0 < found.latency == pytest.approx((found.sent_at - frame.pts) * 1e-9)
    assert json.loads(found.to_json())["objects"][1] == {"label": "face", "score": 0.5, "box": [12, 0, 8, 8], "parent": 0}


def test_a_result_says_how_long_it_took(results, reader, frame):
    before = time.monotonic_ns() - frame.taken_at
    results.send(frame)
    found = reader.read()
    assert before <= found.took <= time.monotonic_ns() - frame.taken_at
    assert found.objects == [] and found.classes == [] and found.extra == {}


def test_a_frame_may_be_released_before_its_result_is_sent(results, reader, frame):
    frame.release()
    results.send(frame, width=64, height=48)
    results.send(frame)
    found, other = reader.read(), reader.read()
    assert (found.sequence, found.pts, found.width, found.height) == (1, frame.pts, 64, 48)
    assert (other.sequence, other.width, other.height) == (1, 0, 0)


def test_a_result_may_be_of_a_frame_from_elsewhere(results, reader):
    results.send(None, [PERSON], ring="front", sequence=(1 << 64) - 2, pts=5, width=1920, height=1080, took=0)
    found = reader.read()
    assert (found.ring, found.sequence, found.pts, found.width, found.height, found.took) == ("front", (1 << 64) - 2, 5, 1920, 1080, 0)


def test_numbers_of_numpy_are_taken(results, reader):
    box = np.array([1, 2, 3, 4], np.float32)
    results.send(None, (shmring.Object("a", np.float32(0.5), each, track=np.int64(3), polygon=np.ones((2, 2), np.int16),
                                       attributes={"n": np.uint8(7)}) for each in [box]), pts=np.int64(9))
    found = reader.read()
    assert found.objects == [shmring.Object("a", 0.5, (1, 2, 3, 4), track=3, polygon=((1, 1), (1, 1)), attributes={"n": 7})]
    assert found.pts == 9


@pytest.mark.parametrize("wrong", [
    {"score": float("nan")}, {"score": float("inf")}, {"score": "high"}, {"score": None}, {"score": 1e9}, {"label": None}, {"label": 5},
    {"label": "a\0b"}, {"label": "\ud800"}, {"label": "x" * 256}, {"box": (1, 2, 3)}, {"box": (1, 2, 3, -4)}, {"box": (1, 2, np.nan, 4)},
    {"track": -1}, {"track": 1 << 63}, {"track": "7"}, {"parent": 0}, {"polygon": [(1,)]}, {"keypoints": [(1, 2, 3, 4)]}, {"attributes": {"a": None}},
    {"attributes": {"a": [1]}}, {"attributes": [1]},
])
def test_a_wrong_object_is_not_sent(results, reader, wrong):
    with pytest.raises(shmring.Invalid, match="the result is refused: "):
        results.send(None, [shmring.Object(**{"label": "a", "score": 1, "box": (0, 0, 1, 1), **wrong})])
    results.send(None, sequence=2)
    assert reader.read().sequence == 2 and results.stats()["published"] == 1


@pytest.mark.parametrize("wrong", [
    {"sequence": -1}, {"sequence": (1 << 64) - 1}, {"sequence": 1.5}, {"width": 1_000_001}, {"took": -5}, {"extra": [1]},
    {"classes": [("a", np.nan)]},
    {"extra": {"a": "x" * 65536}}, {"extra": {"a": float("nan")}}, {"ring": "x" * 1024},
])
def test_a_wrong_result_is_not_sent(results, wrong):
    with pytest.raises(shmring.Invalid, match="the result is refused: "):
        results.send(None, **wrong)


def test_what_is_of_another_type_is_a_type_error(results):
    with pytest.raises(TypeError, match="not object"):
        results.send(None, extra={"a": object()})
    nested = {}
    nested["a"] = nested
    with pytest.raises(shmring.Invalid):
        results.send(None, extra=nested)


@pytest.mark.parametrize("wrong, place", [
    ({"score": float("nan")}, "score"), ({"score": np.float32("inf")}, "score"), ({"box": (0, 0, float("nan"), 1)}, "box"),
    ({"box": np.array([0, np.inf, 1, 1])}, "box"), ({"keypoints": [(1, float("nan"))]}, "keypoints"),
    ({"attributes": {"a": float("nan")}}, "attributes"),
])
def test_the_field_that_is_not_finite_is_named(results, wrong, place):
    with pytest.raises(shmring.Invalid, match=rf"the result is refused: objects\[0\]\.{place} "):
        results.send(None, [shmring.Object(**{"label": "a", "score": 1, "box": (0, 0, 1, 1), **wrong})])


@pytest.mark.parametrize("given, words", [
    ({"objects": None}, "objects is a list of shmring.Object, not NoneType"), ({"objects": "ab"}, "objects is a list of shmring.Object, not str"),
    ({"objects": PERSON}, "objects is a list of shmring.Object, not Object"), ({"objects": [PERSON, "a"]}, "objects[1] is a shmring.Object, not str"),
    ({"objects": [("a", 1, (0, 0, 1, 1))]}, "objects[0] is a shmring.Object, not tuple"),
    ({"objects": [{"label": "a"}]}, "objects[0] is a shmring.Object, not dict"),
    ({"objects": [shmring.Object("a", 1, None)]}, "objects[0].box is a list of 4 numbers, not NoneType"),
    ({"objects": [shmring.Object("a", 1, (0, 0, 1, 1), polygon=5)]}, "objects[0].polygon is a list of points, not int"),
    ({"objects": [shmring.Object("a", 1, (0, 0, 1, 1), keypoints=[1, 2])]}, "objects[0].keypoints[0] is a list of numbers, not int"),
    ({"classes": {"a": 1}}, "classes is a list of pairs (label, score), not dict"),
    ({"classes": ("a", 1)}, "classes[0] is a pair (label, score), not 'a'"),
    ({"ring": 5}, "ring is the path of a socket, a string or a pathlib.Path, not int"),
])
def test_what_is_no_list_or_object_is_named(results, given, words):
    with pytest.raises(TypeError) as raised:
        results.send(None, **given)
    assert str(raised.value) == words


@pytest.mark.parametrize("given", [[PERSON], "frame", np.zeros((48, 64))])
def test_what_is_no_frame_is_a_type_error(results, given):
    """Else a call that leaves the frame out would send a result of nothing."""
    with pytest.raises(TypeError, match="frame is a frame, .* not (list|str|ndarray)"):
        results.send(given)
    assert results.stats()["published"] == 0


@pytest.mark.parametrize("wrong", [{"worker": 5}, {"worker": "x" * 256}, {"worker": "a\n"}, {"model": "x" * 256}])
def test_a_wrong_name_is_refused_at_once(path, wrong):
    with pytest.raises(shmring.Invalid, match="the result is refused: (worker|model) "):
        shmring.Results(path, **wrong)


@pytest.mark.parametrize("timeout", ["1", b"1", [1]])
def test_a_timeout_of_another_type_is_named(reader, timeout):
    with pytest.raises(TypeError, match="timeout"):
        reader.read(timeout)


def test_the_ring_grows_with_its_results_up_to_64_kib(results, reader):
    sizes = 0, 5000, 9000, 60000, 10
    for size in sizes:
        results.send(None, extra={"text": "x" * size}, sequence=size)
    assert [len(reader.read().extra["text"]) for _ in sizes] == list(sizes)


def test_a_reader_that_pauses_loses_no_result(results, reader):
    for number in range(64):
        results.send(None, sequence=number)
    assert [reader.read().sequence for _ in range(64)] == list(range(64))


def test_a_reader_that_pauses_too_long_loses_the_oldest(results, reader):
    for number in range(100):
        results.send(None, sequence=number)
    assert [reader.read().sequence for _ in range(64)] == list(range(36, 100))


@pytest.mark.parametrize("data", [
    b"", b"\xff", b"[]", b"{}", b"null", b'{"objects":[]', b'{"objects":[]}\0', b'{"objects":{}}', b"\0" * 1000, b"[" * 65536,
    b'{"objects":[],"sequence":18446744073709551616}', b'{"objects":[],"pts":-1}', b'{"objects":[],"pts":1,"pts":2}',
    b'{"objects":[{"label":"a","score":NaN,"box":[0,0,1,1]}]}', b'{"objects":[{"label":"a","score":1e999,"box":[0,0,1,1]}]}',
    b'{"objects":[{"label":"a","score":1,"box":[0,0,-1,1]}]}', b'{"objects":[{"label":"a","score":1,"box":[0,0,1,1],"parent":0}]}',
    b'{"objects":[],"worker":"\xc3"}', b'{"objects":[],"worker":"\\ud800"}', b'{"objects":' * 10000,
    b'{"objects":[' + b"{}," * 300_000 + b"{}]}", b'{"objects":[' + b"1," * 20_000 + b"1]}", b'{"objects":"' + b"x" * 60000 + b'"}',
    b'{"objects":[],"extra":{"a":' + b"1" * 5000 + b"}}",
])
def test_what_is_no_result_is_refused_and_counted(raw, data, caplog):
    assert raw(data) == []
    assert raw.reader.refused == 1 == raw.reader.stats()["refused"]
    assert raw.reader.refusal.startswith("the result is refused: ")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_results_among_others_are_read(raw, caplog):
    one = b'{"objects":[],"worker":"one","later":{"x":[null]},"sequence":5.0}'
    assert raw(b"", one, *[b"{}"] * 6, one) == ["one", "one"]
    assert raw.reader.refused == 7
    assert len(caplog.records) == 3  # the first, second and fourth


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_flood_of_what_is_no_result_ends_a_read_in_time(reader, monkeypatch, timeout):
    class Junk(contextlib.nullcontext):
        caps = "text/plain"

    class Flood:
        def read(self, _):
            return Junk()

    monkeypatch.setattr(reader, "_reader", Flood())
    assert reader.read(timeout) is None
    assert reader.refused >= 1024


def test_frames_of_another_kind_are_refused(path):
    with shmring.Publisher(path, slot_size=3072, caps="video/x-raw") as publisher, shmring.ResultReader(path, worker="test") as reader:
        attach(reader)
        publisher.publish(bytes(3072))
        assert reader.read(0.2) is None
        assert reader.refused == 1 and "video/x-raw" in reader.refusal


def test_a_result_without_a_time_has_that_of_its_frame(path):
    """A GStreamer pipeline may have sent it, where the time is the buffer's."""
    with shmring.Publisher(path, slot_size=99, caps="application/x-frame-results") as publisher, shmring.ResultReader(path) as reader:
        attach(reader)
        publisher.publish(b'{"objects":[]}', pts=77)
        assert reader.read().pts == 77


def test_results_go_through_a_pipeline(results, path, spawn, tmp_path):
    behind = str(tmp_path / "behind.sock")
    spawn("gst-launch-1.0", "-q", *f"shmringsrc socket-path={path} ! shmringsink socket-path={behind} slot-size=4096 sync=false".split())
    with shmring.ResultReader(behind, worker="test") as reader:
        eventually(lambda: shmring.inspect(path)["readers"] == 1)
        sent = shmring.Result(sequence=7, pts=time.monotonic_ns(), worker="person", model="hog", objects=[PERSON, FACE])

        def arrived():
            results.send(None, sent.objects, sequence=sent.sequence, pts=sent.pts)
            return reader.read(0.1)

        found = eventually(arrived)
        found.sent_at = None
        assert found == sent and reader.refused == 0


def test_a_loop_over_results_ends_with_the_stream(results, reader):
    results.send(None, sequence=1)
    results.end()
    assert [found.sequence for found in reader] == [1]


def test_results_are_read_in_an_event_loop(results, reader):
    async def first():
        async for found in reader:
            return found.sequence

    results.send(None, sequence=8)
    assert asyncio.run(first()) == 8


def test_a_waiting_reader_is_ended_by_close(results, reader):
    ended = []
    thread = threading.Thread(target=lambda: ended.append(list(reader)))
    thread.start()
    time.sleep(0.05)
    reader.close()
    thread.join()
    assert ended == [[]] and reader.closed


def test_a_worker_that_starts_anew_is_read_on(path):
    with shmring.ResultReader(path, worker="test") as reader:
        for number in range(3):
            with shmring.Results(path, worker="person") as results:
                results.send(None, sequence=number)
                assert reader.read().sequence == number


def test_any_thread_may_send(results, reader):
    def send(first):
        for number in range(first, first + 8):
            results.send(None, sequence=number, extra={"text": "x" * number * 100})

    threads = [threading.Thread(target=send, args=(8 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reader.read().sequence for _ in range(64)) == list(range(64))


def test_a_frame_says_where_it_came_from_and_when_it_was_taken(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with shmring.Publisher(path, slot_size=4) as publisher, shmring.Reader("ring.sock", worker="test") as reader:
        publisher.publish(b"data")
        before = time.monotonic_ns()
        with reader.read() as frame:
            assert before <= frame.taken_at <= time.monotonic_ns()
        assert frame.ring == path
