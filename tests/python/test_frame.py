# SPDX-License-Identifier: LGPL-2.1-or-later
"""Contents of a frame: the shapes of each format, its times, and that it is read-only."""

import ctypes
import time

import numpy as np
import pytest
import shmring
from conftest import attach, pattern

FOUR_BYTES = ["RGBA", "BGRA", "RGBx", "BGRx", "ARGB", "ABGR", "xRGB", "xBGR"]
PAIRS = ["YUY2", "UYVY"]  # two pixels share their colour, so the columns are even
SHAPES = {"GRAY8": (), "RGB": (3,), "BGR": (3,), "YUY2": (2,), "UYVY": (2,), **{name: (4,) for name in FOUR_BYTES}}


def through(path, image, **options):
    """The image as a reader in this process sees it."""
    with shmring.Publisher(path, **options) as publisher, shmring.Reader(path, worker="test") as reader:
        attach(reader)
        assert publisher.publish(image) == 1
        return reader.read()


@pytest.mark.parametrize("width", [64, 61])  # of 61, rows of GRAY8 and of three bytes a pixel are padded by GStreamer
@pytest.mark.parametrize("name", SHAPES)
def test_a_packed_format_has_height_width_and_channels(path, name, width):
    image = pattern(5, width + width % 2 if name in PAIRS else width, *SHAPES[name])
    frame = through(path, image, format=name, width=width, height=5)
    assert (frame.format, frame.width, frame.height) == (name, width, 5)
    assert frame.array.dtype == np.uint8
    np.testing.assert_array_equal(frame.array, image)
    assert len(frame.planes) == 1
    np.testing.assert_array_equal(frame.planes[0], image)


@pytest.mark.parametrize("width", [64, 61])
def test_grey_of_16_bits_is_little_endian_uint16(path, width):
    image = pattern(5, width, dtype=np.uint16) * 255
    frame = through(path, image, format="GRAY16_LE", width=width, height=5)
    assert frame.array.dtype == np.dtype("<u2")
    np.testing.assert_array_equal(frame.array, image)


@pytest.mark.parametrize("name", ["ARGB64_LE", "RGBA64_LE", "BGRA64_LE", "ABGR64_LE"])
def test_sixteen_bits_a_channel_are_little_endian_uint16(path, name):
    image = pattern(5, 61, 4, dtype=np.uint16) * 255
    frame = through(path, image, format=name, width=61, height=5)
    assert (frame.format, frame.array.dtype) == (name, np.dtype("<u2"))
    np.testing.assert_array_equal(frame.array, image)


def test_planes_of_one_size_are_a_stack(path):
    image = pattern(4, 6, 8, dtype=np.uint16) * 255
    frame = through(path, image, format="A444_16LE", width=8, height=6)
    np.testing.assert_array_equal(frame.array, image)
    assert [plane.shape for plane in frame.planes] == [(6, 8)] * 4


@pytest.mark.parametrize("name", SHAPES)
def test_rows_padded_as_gstreamer_does_are_seen_without_the_padding(path, name):
    with shmring.Publisher(path, format=name, width=61, height=5) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        image = pattern(5, 62 if name in PAIRS else 61, *SHAPES[name])
        with publisher.loan() as loan:
            assert loan.array.strides[0] % 4 == 0
            loan.array[:] = image
            publisher.publish(loan)
        np.testing.assert_array_equal(reader.read().array, image)


@pytest.mark.parametrize(("name", "planes"), [("NV12", [(6, 8), (3, 4, 2)]), ("NV21", [(6, 8), (3, 4, 2)]), ("I420", [(6, 8), (3, 4), (3, 4)])])
def test_planar_formats_have_a_plane_each_and_one_array_as_opencv_takes_it(path, name, planes):
    image = pattern(9, 8)
    frame = through(path, image, format=name, width=8, height=6)
    assert [plane.shape for plane in frame.planes] == planes
    np.testing.assert_array_equal(np.concatenate([plane.ravel() for plane in frame.planes]), image.ravel())
    assert frame.array.shape == (9, 8)
    np.testing.assert_array_equal(frame.array, image)


def test_opencv_converts_a_planar_frame_as_it_does_its_own_arrays(path):
    cv2 = pytest.importorskip("cv2")
    image = pattern(72, 64)
    frame = through(path, image, format="NV12", width=64, height=48)
    np.testing.assert_array_equal(cv2.cvtColor(frame.array, cv2.COLOR_YUV2BGR_NV12), cv2.cvtColor(image, cv2.COLOR_YUV2BGR_NV12))


@pytest.mark.parametrize("name", ["NV12", "I420"])
def test_planes_with_gaps_between_them_are_no_single_array(path, name):
    with shmring.Publisher(path, format=name, width=6, height=5) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        with publisher.loan() as loan:
            for number, plane in enumerate(loan.planes):
                plane[:] = number + 1
            del plane
            publisher.publish(loan)
        frame = reader.read()
        assert [int(plane.min()) for plane in frame.planes] == [int(plane.max()) for plane in frame.planes]
        assert [int(plane.min()) for plane in frame.planes] == list(range(1, len(frame.planes) + 1))
        with pytest.raises(shmring.Invalid, match=f"{name} 6x5.*planes"):
            frame.array


def test_anything_else_is_bytes(path):
    frame = through(path, b"\xff\xd8 jpeg", slot_size=100, caps="image/jpeg")
    assert (frame.format, frame.width, frame.height, frame.caps) == (None, 0, 0, "image/jpeg")
    assert bytes(frame) == b"\xff\xd8 jpeg"
    assert frame.array.tobytes() == b"\xff\xd8 jpeg"
    assert frame.array.shape == (frame.size,) == (7,)


def test_an_empty_frame_is_a_frame(path):
    frame = through(path, b"", slot_size=100)
    assert (bytes(frame), frame.array.shape) == (b"", (0,))


def test_a_frame_has_the_times_and_flags_of_its_publisher(path):
    before = time.monotonic_ns()
    with shmring.Publisher(path, slot_size=10) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        flags = shmring.Flag.DISCONT | shmring.Flag.DELTA_UNIT
        publisher.publish(b"a", pts=2**63, dts=0, duration=40_000_000, offset=7, flags=flags)
        publisher.publish(b"b")
        full, bare = reader.read(), reader.read()
    assert (full.sequence, full.pts, full.dts, full.duration, full.offset, full.flags) == (1, 2**63, 0, 40_000_000, 7, flags)
    assert (bare.sequence, bare.dts, bare.duration, bare.offset, bare.flags) == (2, None, None, None, 0)
    assert before <= bare.pts <= bare.published_at
    assert before <= full.published_at <= bare.published_at <= time.monotonic_ns()
    assert 0 <= bare.age <= (time.monotonic_ns() - before) / 1e9


def test_a_frame_carries_the_format_it_was_published_with(path):
    with shmring.Publisher(path, format="RGB", width=32, height=16) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        publisher.publish(pattern(16, 32, 3))
        publisher.set_format("GRAY8", 16, 8)
        publisher.publish(pattern(8, 16))
        old, new = reader.read(), reader.read()
    assert (old.format, old.array.shape, new.format, new.array.shape) == ("RGB", (16, 32, 3), "GRAY8", (8, 16))
    assert "RGB" in old.caps and "GRAY8" in new.caps


def test_a_frame_cannot_be_written_to(path):
    frame = through(path, pattern(6, 8, 3), format="BGR", width=8, height=6)
    for array in (frame.array, frame.array[1:, ::2], *frame.planes, np.frombuffer(frame, np.uint8), np.asarray(memoryview(frame))):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    with pytest.raises(TypeError, match="read-only"):
        memoryview(frame)[0] = 1
    with pytest.raises(TypeError, match="writable"):
        (ctypes.c_char * 1).from_buffer(frame)


def test_arrays_and_memoryviews_are_the_ring_s_memory_and_no_copy(path):
    frame = through(path, pattern(6, 8), format="GRAY8", width=8, height=6)
    address = frame.array.__array_interface__["data"][0]
    assert frame.array is frame.array
    assert not frame.array.flags.owndata
    assert frame.planes[0].__array_interface__["data"][0] == address
    assert np.frombuffer(frame, np.uint8).__array_interface__["data"][0] == address


def test_a_frame_says_what_it_is(path):
    frame = through(path, pattern(6, 8), format="GRAY8", width=8, height=6)
    assert repr(frame) == "<shmring.Frame 1, GRAY8 8x6, 48 bytes>"
    frame.release()
    assert repr(frame) == "<shmring.Frame 1, released>"


def shown(publisher, reader, image):
    publisher.publish(image)
    return reader.read()


@pytest.mark.parametrize(("name", "shape"), [("BGR", (5, 61, 3)), ("GRAY8", (5, 61)), ("GRAY16_LE", (5, 61)), ("NV12", (9, 60))])
def test_a_copy_can_be_written_to_keeps_no_slot_and_changes_no_frame(path, name, shape):
    image = pattern(*shape, dtype=np.uint16 if name == "GRAY16_LE" else np.uint8)
    height, width = (6, 60) if name == "NV12" else shape[:2]
    with shmring.Publisher(path, format=name, width=width, height=height) as publisher, shmring.Reader(path) as reader:
        frame = shown(publisher, attach(reader), image)
        mine = frame.copy()
        assert mine.flags.c_contiguous and mine.flags.writeable and mine.dtype == image.dtype
        np.testing.assert_array_equal(mine, image)
        mine[:] = 0
        np.testing.assert_array_equal(frame.array, image)
        del frame
        assert reader.stats()["held"] == 0
        assert not mine.any()


def test_copies_of_more_frames_than_may_be_held_can_be_kept(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        kept = []
        for number in range(20):
            with shmring.Reader(path) as reader:
                kept.append(shown(publisher, attach(reader), np.full((6, 8), number, np.uint8)).copy())
        assert [int(array.max()) for array in kept] == list(range(20))


def test_a_reader_that_is_refused_for_frames_that_closed_readers_hold_says_the_remedy(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        kept = []
        with pytest.raises(shmring.Refused, match=r"copy\(\)"):
            for number in range(20):
                with shmring.Reader(path, worker="snapshot") as reader:
                    kept.append(shown(publisher, attach(reader), np.full((6, 8), number, np.uint8)).array)
        with shmring.Reader(path) as reader, pytest.raises(shmring.Error, match="copy|copies"):
            kept.clear()
            attach(reader)
            while True:
                kept.append(shown(publisher, reader, np.zeros((6, 8), np.uint8)).array)


def test_a_reader_of_writable_copies_gives_arrays_of_one_s_own(path):
    with shmring.Publisher(path, format="NV12", width=8, height=6) as publisher:
        with shmring.Reader(path, writable_copies=True) as reader:
            frame = shown(publisher, attach(reader), pattern(9, 8))
            array, planes = frame.array, frame.planes
            assert frame.array is array
            for mine in (array, *planes):
                assert mine.flags.writeable
                mine[:] = 1
            assert bytes(frame) == pattern(9, 8).tobytes()
            frame.release()
            assert reader.stats()["held"] == 0
            assert (array == 1).all()


def test_opencv_draws_into_copies(path):
    cv2 = pytest.importorskip("cv2")
    with shmring.Publisher(path, format="BGR", width=64, height=48) as publisher:
        with shmring.Reader(path, writable_copies=True) as reader:
            frame = shown(publisher, attach(reader), np.zeros((48, 64, 3), np.uint8))
            for canvas in (frame.array, frame.copy()):
                cv2.rectangle(canvas, (0, 0), (9, 9), (255, 255, 255))
                cv2.putText(canvas, "x", (9, 30), 0, 1, (1, 2, 3))
                assert canvas[0, 0, 0] == 255
