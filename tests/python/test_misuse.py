# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrong calls: each is answered at once by a sentence that names what was wrong and what would be right, and shows no image."""

import copy
import os
import pathlib
import pickle
import warnings

import numpy as np
import pytest
import shmring
from conftest import attach, eventually

IMAGE = np.zeros((48, 64, 3), np.uint8)
HUGE = bytes(100_000)


@pytest.fixture
def publisher(path):
    with shmring.Publisher(path, format="BGR", width=64, height=48) as publisher:
        yield publisher


@pytest.fixture
def reader(publisher, path):
    with shmring.Reader(path, worker="test") as reader:
        yield attach(reader)


def answer(kind, call):
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert 0 < len(text) < 400 and text.isprintable()
    return text


@pytest.mark.parametrize(("options", "kind", "words"), [
    ({"socket_path": None}, TypeError, ["path", "NoneType"]),
    ({"socket_path": IMAGE}, TypeError, ["path", "ndarray"]),
    ({"socket_path": ""}, shmring.Invalid, ["path", "empty"]),
    ({"socket_path": "/tmp/a\0b"}, shmring.Invalid, ["path", "zero byte"]),
    ({"socket_path": "/tmp/" + 200 * "x"}, shmring.Invalid, ["path", "107"]),
    ({"drop_policy": "newest"}, shmring.Invalid, ["policy", "drop-newest, drop-oldest, latest", "newest"]),
    ({"drop_policy": 3}, TypeError, ["policy", "int"]),
    ({"drop_policy": IMAGE}, TypeError, ["policy", "ndarray"]),
    ({"wake": "spin"}, shmring.Invalid, ["wake", "block, adaptive", "spin"]),
    ({"worker": 5}, TypeError, ["worker", "int"]),
    ({"worker": 64 * "w"}, shmring.Invalid, ["name", "63 bytes"]),
    ({"worker": "a\0b"}, shmring.Invalid, ["worker", "zero byte"]),
    ({"worker": "a\nb"}, shmring.Invalid, ["name", "control"]),
    ({"depth": -1}, shmring.Invalid, ["depth", "256", "-1"]),
    ({"depth": 100_000}, shmring.Invalid, ["depth", "256", "100000"]),
    ({"depth": 1.5}, TypeError, ["depth", "float", "int()"]),
    ({"depth": 10**4000}, shmring.Invalid, ["depth", "256"]),
    ({"max_held": IMAGE}, TypeError, ["max_held"]),
    ({"max_frame_age": "old"}, TypeError, ["max_frame_age", "seconds", "str"]),
    ({"max_frame_age": -1}, shmring.Invalid, ["max_frame_age", "-1"]),
    ({"name": "x"}, TypeError, ["name"]),
])
def test_a_reader_refuses_wrong_options(path, options, kind, words):
    said = answer(kind, lambda: shmring.Reader(**{"socket_path": path, **options}))
    assert all(word in said for word in words), said


@pytest.mark.parametrize(("options", "kind", "words"), [
    ({"socket_path": None}, TypeError, ["path", "NoneType"]),
    ({"format": None}, shmring.Invalid, ["slot_size, or format with width and height"]),
    ({"format": "RGB24"}, shmring.Invalid, ["GRAY8, RGB, BGR", "NV12", "I420", "GRAY16_LE", 'not "RGB24"', "slot_size"]),
    ({"format": "bgr"}, shmring.Invalid, ["BGR", "bgr"]),
    ({"format": IMAGE}, TypeError, ["format", "ndarray"]),
    ({"width": 0}, shmring.Invalid, ["width", "0x48"]),
    ({"width": -1}, shmring.Invalid, ["width", "-1"]),
    ({"width": 64.0}, TypeError, ["width", "float", "int()"]),
    ({"width": 2**40}, shmring.Invalid, ["width", str(2**40)]),
    ({"slot_size": "big"}, TypeError, ["slot_size", "str"]),
    ({"slot_size": 1 << 33}, shmring.Invalid, ["slot size", str(1 << 32)]),
    ({"slot_size": -5}, shmring.Invalid, ["slot_size", "-5"]),
    ({"caps": "video/x-raw\0"}, shmring.Invalid, ["caps", "zero byte"]),
    ({"drop_policy": "newest"}, shmring.Invalid, ["drop-newest, drop-oldest, latest"]),
    ({"max_readers": 64}, shmring.Invalid, ["max-readers", "63"]),
    ({"max_readers": "4"}, TypeError, ["max_readers", "str"]),
    ({"reader": 4}, TypeError, ["reader"]),
])
def test_a_publisher_refuses_wrong_options(path, options, kind, words):
    said = answer(kind, lambda: shmring.Publisher(**{"socket_path": path, "format": "BGR", "width": 64, "height": 48, **options}))
    assert all(word in said for word in words), said


@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda p, r: p.publish(), TypeError, ["data"]),
    (lambda p, r: p.publish(IMAGE, 5), TypeError, ["pts="]),
    (lambda p, r: p.publish(IMAGE, data=IMAGE), TypeError, ["data", "once"]),
    (lambda p, r: p.publish(IMAGE, time=5), TypeError, ["time", "pts"]),
    (lambda p, r: p.publish(IMAGE, pts=-1), shmring.Invalid, ["pts", "-1"]),
    (lambda p, r: p.publish(IMAGE, pts=2**64 - 1), shmring.Invalid, ["pts"]),
    (lambda p, r: p.publish(IMAGE, pts=1.5), TypeError, ["pts", "float", "int()"]),
    (lambda p, r: p.publish(IMAGE, pts=IMAGE), TypeError, ["pts"]),
    (lambda p, r: p.publish(IMAGE, flags=-1), shmring.Invalid, ["flags"]),
    (lambda p, r: p.publish(IMAGE, size="all"), TypeError, ["size", "str"]),
    (lambda p, r: p.publish(HUGE), shmring.Invalid, ["BGR 64x48", "9216", "100000"]),
    (lambda p, r: p.publish(IMAGE[:10]), shmring.Invalid, ["9216", "1920", "(10, 64, 3)"]),
    (lambda p, r: p.publish(IMAGE.astype(np.float32)), shmring.Invalid, ["float32", "9216"]),
    (lambda p, r: p.publish(np.zeros((48, 128, 3), np.uint8)[:, ::2]), shmring.Invalid, ["ascontiguousarray"]),
    (lambda p, r: p.publish("hello"), TypeError, ["data", "str", "numpy"]),
    (lambda p, r: p.publish(None), TypeError, ["data", "NoneType"]),
    (lambda p, r: p.publish([[0] * 1000] * 1000), TypeError, ["data", "list", "numpy"]),
    (lambda p, r: p.set_format(IMAGE), TypeError, ["format"]),
    (lambda p, r: p.set_format("BGR", IMAGE, 5), TypeError, ["width"]),
    (lambda p, r: p.set_format("RGB24", 64, 48), shmring.Invalid, ["RGB, BGR", "RGB24"]),
    (lambda p, r: p.resize(), TypeError, ["slot_size"]),
    (lambda p, r: p.resize(HUGE), TypeError, ["slot_size"]),
    (lambda p, r: p.resize(0), shmring.Invalid, ["slot_size", "1"]),
    (lambda p, r: p.set_latency(HUGE), TypeError, ["seconds"]),
    (lambda p, r: p.loan(HUGE), TypeError, ["argument"]),
    (lambda p, r: p.end(HUGE), TypeError, ["argument"]),
    (lambda p, r: p.stats(HUGE), TypeError, ["argument"]),
    (lambda p, r: p.loan().discard(HUGE), TypeError, ["argument"]),
    (lambda p, r: [p.loan(), p.loan(), p.loan()], shmring.Full, ["loan", "publish or discard"]),
    (lambda p, r: r.read(HUGE), TypeError, ["timeout", "bytes"]),
    (lambda p, r: r.read("1"), TypeError, ["timeout", "seconds", "str"]),
    (lambda p, r: r.read(-1), shmring.Invalid, ["timeout", "-1"]),
    (lambda p, r: r.latest(float("nan")), shmring.Invalid, ["timeout", "nan"]),
    (lambda p, r: r.flush(HUGE), TypeError, ["argument"]),
    (lambda p, r: r.fileno(HUGE), TypeError, ["argument"]),
    (lambda p, r: r.interrupt(HUGE, HUGE), TypeError, ["on"]),
    (lambda p, r: shmring.inspect(HUGE), shmring.Invalid, ["zero byte"]),
    (lambda p, r: shmring.inspect(IMAGE), TypeError, ["path", "ndarray"]),
    (lambda p, r: shmring.inspect("/tmp"), shmring.Disconnected, ["/tmp is a folder"]),
])
def test_a_method_refuses_wrong_arguments(publisher, reader, call, kind, words):
    said = answer(kind, lambda: call(publisher, reader))
    assert all(word in said for word in words), said


def test_after_every_wrong_call_all_goes_on(publisher, reader):
    for wrong in ({"pts": -1}, {"pts": 1.5}, {"size": 10**9}, {"colour": 1}):
        with pytest.raises((TypeError, ValueError)):
            publisher.publish(IMAGE, **wrong)
    publisher.publish(data=IMAGE, pts=np.int64(5), flags=shmring.Flag.GAP, dts=None, size=None)
    frame = reader.read()
    assert (frame.sequence, frame.pts, frame.dts, frame.flags) == (1, 5, None, shmring.Flag.GAP)
    del frame
    assert publisher.stats()["loaned"] == 0


@pytest.mark.parametrize("name, sides", [("GRAY8", ()), ("BGR", (3,)), ("BGRA", (4,))])
def test_a_picture_whose_sides_are_exchanged_is_refused(path, name, sides):
    with shmring.Publisher(path, format=name, width=64, height=48) as publisher:
        text = answer(shmring.Invalid, lambda: publisher.publish(np.zeros((64, 48, *sides), "uint8")))
        assert f"a frame of {name} 64x48 has 48 rows and 64 columns, not" in text and "height" in text
        assert publisher.publish(np.zeros((48, 64, *sides), "uint8")) == 1
        assert publisher.publish(bytes(publisher.stats()["slot_size"])) == 2  # bytes have no sides


def test_a_frame_cannot_be_pickled_and_says_what_can(publisher, reader):
    publisher.publish(IMAGE)
    frame = reader.read()
    for use in (lambda: pickle.dumps(frame), lambda: copy.deepcopy(frame)):
        assert "frame.copy()" in answer(TypeError, use)
    assert pickle.loads(pickle.dumps(frame.copy())).shape == IMAGE.shape


def test_a_handle_cannot_be_pickled_and_says_where_to_open_another(publisher, reader, tmp_path):
    with shmring.Results(tmp_path / "found.sock") as results, shmring.ResultReader(tmp_path / "found.sock") as result_reader:
        for handle in (reader, result_reader):
            for use in (lambda: pickle.dumps(handle), lambda: copy.deepcopy(handle)):
                assert "a reader cannot leave its process: open one in each process that reads" in answer(TypeError, use)
        for handle in (publisher, results):
            for use in (lambda: pickle.dumps(handle), lambda: copy.deepcopy(handle)):
                assert "a publisher cannot leave its process: open it in the process that publishes" in answer(TypeError, use)


def places(folder):
    """Paths where no publisher can be, and a word that the sentence has."""
    (folder / "file").write_text("")
    return {folder / "file": "is a file", folder: "is a folder", folder / "missing" / "ring.sock": "missing does not exist",
            folder / "file" / "ring.sock": "file is not a folder"}


@pytest.mark.parametrize("number", range(4))
def test_a_path_where_no_publisher_can_be_is_told_once_and_at_once(tmp_path, number):
    path, word = list(places(tmp_path).items())[number]
    with pytest.warns(RuntimeWarning, match=word) as told:
        reader = shmring.Reader(path)
        assert reader.read(0) is None and reader.read(0.15) is None
    assert len(told) == 1 and str(path) in str(told[0].message) and told[0].filename == __file__
    assert word in answer(shmring.Invalid, lambda: shmring.Reader(path, reconnect=False))
    assert word in answer(shmring.Disconnected, lambda: shmring.inspect(path))


def test_a_path_whose_publisher_is_not_there_yet_is_no_misuse(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reconnect in True, False:
            for path in (tmp_path / "ring.sock", str(tmp_path / "ring.sock"), os.fsencode(tmp_path / "ring.sock")):
                assert shmring.Reader(path, reconnect=reconnect).read(0) is None


@pytest.mark.parametrize("number", range(4))
def test_a_reader_waits_at_such_a_path_until_a_publisher_is_there(tmp_path, number):
    path = pathlib.Path(list(places(tmp_path))[number])
    if path == tmp_path:
        path = tmp_path / "folder"
        path.mkdir()
    with pytest.warns(RuntimeWarning):
        reader = shmring.Reader(path)
    assert reader.read(0.01) is None
    if path.is_dir():
        path.rmdir()
    elif (tmp_path / "file").exists():
        (tmp_path / "file").unlink()
    path.parent.mkdir(exist_ok=True)
    with shmring.Publisher(path, slot_size=1) as publisher:
        publisher.publish(b"x")
        assert bytes(eventually(lambda: reader.read(0.1))) == b"x"
