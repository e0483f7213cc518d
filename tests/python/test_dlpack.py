# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frame as a DLPack tensor: read-only without a copy for those who know that, a copy for all others."""

import ctypes
import gc

import numpy as np
import pytest
import shmring
from conftest import attach, pattern

READ_ONLY, COPIED = 1, 2


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("dimensions", ctypes.c_int32), ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class Versioned(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32 * 2), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64),
                ("tensor", Tensor)]


def content(capsule):
    """The structure in a capsule of DLPack 1.0, as long as the capsule lives."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return Versioned.from_address(pointer(capsule, b"dltensor_versioned"))


class Copied:
    """A frame as a consumer without `copy` takes it: only objects, no capsules."""

    def __init__(self, frame):
        self.frame = frame

    def __dlpack__(self, **more):
        return self.frame.__dlpack__(copy=True)

    def __dlpack_device__(self):
        return self.frame.__dlpack_device__()


@pytest.fixture
def frame_of(path):
    """frame_of(image, format…): the image as a frame."""
    opened = []

    def make(image, writable_copies=False, **options):
        publisher = shmring.Publisher(path, **options)
        reader = shmring.Reader(path, worker="test", max_held=1, writable_copies=writable_copies)
        opened.extend([reader, publisher])
        attach(reader)
        publisher.publish(image)
        return reader.read()

    yield make
    for one in opened:
        one.close()


def test_a_frame_is_a_read_only_tensor_without_a_copy(frame_of):
    image = pattern(6, 5, 3)
    frame = frame_of(image, format="BGR", width=5, height=6)
    capsule = frame.__dlpack__(max_version=(1, 0))
    seen = content(capsule)
    assert (list(seen.version), seen.flags) == ([1, 0], READ_ONLY)
    tensor = seen.tensor
    assert (list(tensor.device), frame.__dlpack_device__()) == ([1, 0], (1, 0))
    assert (tensor.code, tensor.bits, tensor.lanes) == (1, 8, 1)
    assert tensor.shape[:3] == [6, 5, 3]
    assert tensor.strides[:3] == list(frame.array.strides)
    assert tensor.data + tensor.byte_offset == frame.array.ctypes.data


def test_strides_count_samples(frame_of):
    frame = frame_of(pattern(4, 3, dtype=np.uint16), format="GRAY16_LE", width=3, height=4)
    capsule = frame.__dlpack__(max_version=(1, 0), dl_device=(1, 0), copy=False)
    tensor = content(capsule).tensor
    assert (tensor.bits, tensor.strides[:2]) == (16, [frame.array.strides[0] // 2, 1])


def test_a_tensor_keeps_the_slot_until_it_dies(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=4) as publisher:
        reader = shmring.Reader(path, worker="test", max_held=1)
        attach(reader)
        publisher.publish(pattern(4, 8))
        frame = reader.read()
        capsule = frame.__dlpack__(max_version=(1, 1))
        frame.release()
        del frame
        assert reader.stats()["held"] == 1
        del capsule
        gc.collect()
        assert reader.stats()["held"] == 0
        reader.close()


@pytest.mark.parametrize("version", [{}, {"max_version": None}, {"max_version": (0, 8)}])
def test_a_consumer_that_knows_no_read_only_tensors_is_told_to_copy(frame_of, version):
    frame = frame_of(pattern(4, 8), format="GRAY8", width=8, height=4)
    for copy in {}, {"copy": None}, {"copy": False}:
        with pytest.raises(BufferError, match="copy=True"):
            frame.__dlpack__(**version, **copy)
    assert frame.__dlpack__(**version, copy=True)


def test_a_copy_is_the_consumers_own(frame_of):
    image = pattern(6, 5, 3)
    frame = frame_of(image, format="BGR", width=5, height=6)
    capsule = frame.__dlpack__(max_version=(1, 0), copy=True)
    seen = content(capsule)
    assert seen.flags == COPIED
    assert seen.tensor.strides[:3] == [15, 3, 1]  # packed
    assert ctypes.string_at(seen.tensor.data, 90) == image.tobytes()
    ctypes.memset(seen.tensor.data, 0, 90)
    assert (frame.array == image).all()


def test_a_reader_of_writable_copies_gives_copies(frame_of):
    frame = frame_of(pattern(4, 8), writable_copies=True, format="GRAY8", width=8, height=4)
    assert content(frame.__dlpack__(max_version=(1, 0))).flags == COPIED
    assert frame.__dlpack__()
    with pytest.raises(BufferError, match="writable_copies"):
        frame.__dlpack__(max_version=(1, 0), copy=False)


def test_what_a_frame_cannot_be_is_refused(frame_of):
    frame = frame_of(pattern(4, 8, dtype=np.uint16), format="GRAY16_BE", width=8, height=4)
    for wrong, said in [({"stream": 1}, "stream"), ({"dl_device": (2, 0)}, "device"), ({"dl_device": "gpu"}, "dl_device"),
                        ({"max_version": 1}, "max_version"), ({"max_version": (1, 0)}, "astype")]:
        with pytest.raises(BufferError, match=said):
            frame.__dlpack__(**wrong)
    with pytest.raises(TypeError):
        frame.__dlpack__(device=1)
    frame.release()
    with pytest.raises(shmring.Invalid, match="released"):
        frame.__dlpack__(max_version=(1, 0))


def test_numpy_takes_a_frame(frame_of):
    image = pattern(6, 5, 3)
    frame = frame_of(image, format="BGR", width=5, height=6)
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        seen = np.from_dlpack(frame)
        assert not seen.flags.writeable and np.shares_memory(seen, frame.array)
        own = np.from_dlpack(frame, copy=True)  # which numpy 2.2 marks read-only as well
        assert not np.shares_memory(own, frame.array)
    else:
        with pytest.raises(BufferError, match="copy=True"):
            np.from_dlpack(frame)
        seen = np.from_dlpack(Copied(frame))
    np.testing.assert_array_equal(seen, image)


def test_torch_takes_a_copy_and_no_memory_that_it_could_write_to(frame_of):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: apt install python3-torch")
    image = pattern(6, 5, 3)
    frame = frame_of(image, format="BGR", width=5, height=6)
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 9):  # which knows DLPack 1.0, and drops the flag
        with pytest.raises(BufferError, match="copy=True"):
            torch.from_dlpack(frame)
    own = torch.from_dlpack(frame.__dlpack__(copy=True))
    assert own.numpy().tolist() == image.tolist()
    own.zero_()
    assert (frame.array == image).all()
