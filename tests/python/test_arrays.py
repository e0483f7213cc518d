# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames that are arrays of numbers: published, read, and carried by GStreamer."""

import numpy as np
import pytest
import shmring
from conftest import attach, eventually

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
          "complex64", "complex128"]


def numbers(dtype, shape):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("shape", [(7,), (16, 5), (2, 3, 4), (1, 1, 1, 1, 1, 1, 2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_frame_has_the_type_and_the_shape_of_what_was_published(path, dtype, shape):
    sent = numbers(dtype, shape)
    with shmring.Publisher(path, dtype=dtype, shape=shape) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        assert publisher.publish(sent) == 1
        frame = reader.read()
    assert (frame.array.dtype, frame.array.shape) == (np.dtype(dtype), shape)
    assert not frame.array.flags.writeable
    np.testing.assert_array_equal(frame.array, sent)
    assert frame.caps.startswith(f"application/x-ndarray, dtype=(string){dtype}, shape=(int)< ")
    assert (frame.format, len(frame.planes)) == (None, 1)


def test_a_loan_is_filled_in_place(path):
    with shmring.Publisher(path, dtype=np.int16, shape=[4, 8]) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        with publisher.loan() as loan:
            loan.array[:] = numbers("int16", (4, 8))
            publisher.publish(loan)
        np.testing.assert_array_equal(reader.read().array, numbers("int16", (4, 8)))


def test_bytes_of_the_right_size_are_taken(path):
    with shmring.Publisher(path, dtype="float32", shape=5) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        publisher.publish(numbers("float32", 5).tobytes())
        np.testing.assert_array_equal(reader.read().array, numbers("float32", 5))


@pytest.mark.parametrize("wrong", [numbers("float32", (4, 8)), numbers("int16", (8, 4)), numbers(">i2", (4, 8)), numbers("uint16", (4, 8)), b"few"],
                         ids=["float32", "turned", "big-endian", "uint16", "bytes"])
def test_another_array_is_refused_with_both_in_words(path, wrong):
    with shmring.Publisher(path, dtype="int16", shape=(4, 8)) as publisher:
        with pytest.raises(shmring.Invalid, match=r"int16 \(4, 8\) of 64 bytes, not (float32|int16|>i2|uint16|3 bytes)"):
            publisher.publish(wrong)
        assert publisher.publish(numbers("int16", (4, 8))) == 1


@pytest.mark.parametrize("wrong", [
    {"dtype": "int16"}, {"shape": (4,)}, {"dtype": "int16", "shape": ()}, {"dtype": "int16", "shape": (4, 0)}, {"dtype": "int16", "shape": (4, -1)},
    {"dtype": "int16", "shape": (1.5,)}, {"dtype": "int16", "shape": [1] * 9}, {"dtype": ">i2", "shape": (4,)}, {"dtype": "U5", "shape": (4,)},
    {"dtype": "M8[ns]", "shape": (4,)}, {"dtype": object, "shape": (4,)}, {"dtype": "nothing", "shape": (4,)},
    {"dtype": "longdouble", "shape": (4,)}, {"dtype": "int64", "shape": (1 << 30, 1 << 30)},
    {"dtype": "int16", "shape": (4,), "format": "BGR", "width": 8, "height": 8},
    {"caps": "application/x-ndarray, dtype=int17, shape=<4>", "slot_size": 64}], ids=str)
def test_what_is_no_array_is_refused(path, wrong):
    with pytest.raises(shmring.Invalid, match="dtype|array|numbers"):
        shmring.Publisher(path, **wrong)


def test_the_shape_may_change_and_the_ring_grows(path):
    with shmring.Publisher(path, dtype="int16", shape=(4, 8)) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        publisher.publish(numbers("int16", (4, 8)))
        publisher.set_format(dtype="float64", shape=(100, 8))
        publisher.publish(numbers("float64", (100, 8)))
        assert reader.read().array.dtype == np.int16
        assert (reader.read().array.shape, publisher.stats()["slot_size"]) == ((100, 8), 6400)


def test_gstreamer_carries_arrays_and_drops_short_ones(path, tmp_path, spawn):
    relay = str(tmp_path / "relay.sock")
    with shmring.Publisher(path, dtype="int16", shape=(4, 8)) as publisher, shmring.Reader(relay, worker="test") as reader:
        spawn("gst-launch-1.0", "-q", "shmringsrc", f"socket-path={path}", "worker=relay", "!", "shmringsink", f"socket-path={relay}")
        eventually(lambda: publisher.stats()["readers"] == 1)
        publisher.publish(numbers("int16", (4, 8)))
        frame = reader.read()
    assert (frame.array.dtype, frame.array.shape) == (np.dtype("int16"), (4, 8))
    np.testing.assert_array_equal(frame.array, numbers("int16", (4, 8)))


def test_shmringsink_counts_buffers_that_are_no_whole_array(path, spawn):
    spawn("gst-launch-1.0", "-q", "fakesrc", "sizetype=fixed", "sizemax=63", "datarate=6300", "is-live=true", "!",
          "application/x-ndarray,dtype=(string)int16,shape=(int)<4,8>", "!", "shmringsink", f"socket-path={path}")

    def stats():
        try:
            return shmring.inspect(path, 10)
        except shmring.Disconnected:
            return {"dropped_malformed": 0}

    eventually(lambda: stats()["dropped_malformed"] >= 3)
    assert stats()["published"] == 0
