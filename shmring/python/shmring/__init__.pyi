# SPDX-License-Identifier: LGPL-2.1-or-later
"""Types of shmring for type checkers and editors; for people, docs/guides/python.md says more."""

import enum
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypedDict, overload

import numpy as np
import numpy.typing as npt
from _typeshed import ReadableBuffer
from typing_extensions import Self

from ._metas import Analytics as Analytics, Classes as Classes, CustomMeta as CustomMeta, Detection as Detection  # noqa: F401
from ._metas import Region as Region, Relation as Relation, SerializedMeta as SerializedMeta  # noqa: F401
from ._metas import Timestamp as Timestamp, Tracking as Tracking  # noqa: F401

__version__: str

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
_Policy = Literal["drop-newest", "drop-oldest", "latest"]
_Wake = Literal["block", "adaptive"]
_Array = npt.NDArray[Any]

class Error(Exception):
    status: str

class Timeout(Error, TimeoutError): ...
class End(Error, EOFError): ...
class Disconnected(Error, ConnectionError): ...
class Interrupted(Error): ...
class Full(Error): ...
class TooLarge(Error, ValueError): ...
class TooManyHeld(Error): ...
class InUse(Error): ...
class Refused(Error, ConnectionError): ...
class Invalid(Error, ValueError): ...
class ProtocolError(Error, ConnectionError): ...
class NoMemory(Error, MemoryError): ...
class SystemCallFailed(Error, OSError): ...
class Forked(Error): ...
class Closed(Error, ValueError): ...

class Flag(enum.IntFlag):
    DELTA_UNIT = 1
    DISCONT = 2
    CORRUPTED = 4
    GAP = 8
    HEADER = 16
    MARKER = 32
    TOP_FIELD_FIRST = 64
    INTERLACED = 128
    REPEAT_FIRST_FIELD = 256
    ONE_FIELD = 512

_Meta = Timestamp | Region | CustomMeta | SerializedMeta | Analytics

class _Times(TypedDict):
    count: int
    p50: int
    p99: int
    max: int

class _ReaderStats(TypedDict):
    taken: int
    stale: int
    missed: int
    attachments: int
    held: int
    publisher_pid: int
    drop_policy: str
    wake: str
    depth: int
    max_held: int
    last_sequence: int
    age: _Times
    hold: _Times
    protocol_violations: int

class _ReaderAccount(TypedDict):
    worker: str
    state: str
    drop_policy: str
    wake: str
    pid: int
    depth: int
    max_held: int
    held: int
    generation: int
    offered: int
    delivered: int
    dropped: int
    pending: int
    stale: int
    consecutive_drops: int
    wakeups: int
    last_offered_at: int
    last_taken_at: int
    last_released_at: int
    last_taken_sequence: int
    unfinished_since: int
    age: _Times
    hold: _Times
    reason: str

class _RingStats(TypedDict):
    publisher_pid: int
    slots: int
    free_slots: int
    owned: int
    loaned: int
    max_readers: int
    rings: int
    slot_size: int
    memory: int
    offered: int
    published: int
    dropped_no_slot: int
    dropped_too_large: int
    dropped_malformed: int
    copied: int
    streamed: int
    refused_readers: int
    protocol_violations: int
    violations: dict[str, int]
    last_published_at: int
    caps: str
    readers: int
    accounts: list[_ReaderAccount]

class Frame:
    """One frame, in memory shared with the publisher. Its slot goes back when it and every array made from it are gone."""

    @property
    def array(self) -> _Array:
        """The image, read-only, without a copy (a writable copy with writable_copies): (height, width[, channels]) of uint8, uint16 or uint32;
        planes of one size as (planes, height, width); NV12 and I420 as (height × 3 / 2, width); a frame of application/x-ndarray in its dtype
        and shape; other bytes as (size,). Invalid where the planes are no single array."""
    @property
    def planes(self) -> tuple[_Array, ...]:
        """One array a plane, (rows, columns[, components]): NV12 has (height, width) and (height / 2, width / 2, 2), I420 has three."""
    @property
    def sequence(self) -> int:
        """Counts every frame offered to the ring, from 1; gaps are frames that this reader never gets."""
    @property
    def seq(self) -> int:
        """The same as sequence."""
    @property
    def pts(self) -> int | None: ...
    @property
    def dts(self) -> int | None: ...
    @property
    def duration(self) -> int | None: ...
    @property
    def offset(self) -> int | None:
        """The source's own count."""
    @property
    def published_at(self) -> int: ...
    @property
    def captured_at(self) -> int | None:
        """When it was captured, UTC in ns since 1970 as time.time_ns(); None where neither GStreamer nor the publisher said it (a reference
        timestamp timestamp/x-unix or timestamp/x-ntp, or capture_utc=)."""
    @property
    def taken_at(self) -> int:
        """When this reader took it, as time.monotonic_ns()."""
    @property
    def ring(self) -> str:
        """Absolute path of the socket of the ring that it came from."""
    @property
    def metadata(self) -> bytes:
        """Bytes that the publisher gave with it (publish(metadata=…)), at most 4 KiB with the metas; b"" without. Of a C program that
        publishes bytes which are no records (docs/abi.md) all of them. Invalid after release(), as metas and captured_at."""
    @property
    def metas(self) -> tuple[_Meta, ...]:
        """What GStreamer, or a publisher, attached to it. Empty also where the frame's metadata is not records."""
    @property
    def age(self) -> float:
        """Seconds since it was published."""
    @property
    def size(self) -> int: ...
    @property
    def flags(self) -> int:
        """Bits of Flag."""
    @property
    def caps(self) -> str: ...
    @property
    def format(self) -> str | None:
        """GStreamer's name of the pixel format ("BGR"); None for anything but raw video in a known format."""
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    def copy(self) -> _Array:
        """The image as an array of its own, which can be written to and keeps no slot."""
    def to_bgr(self) -> npt.NDArray[np.uint8]:
        """The picture as a new array (height, width, 3) of 8 bits, as OpenCV draws, shows and writes it: every raw format whose planes are
        rows of samples, and Bayer, with the matrix and range of its colorimetry. ImportError without OpenCV; Invalid for anything else."""
    def release(self) -> None:
        """Lets go of the frame now instead of when it dies. Arrays made from it keep the slot until they die."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The image (as array shows it) as a tensor for torch.from_dlpack and the like: read-only and without a copy for consumers that know
        DLPack 1.0; with copy=True as a tensor of its own, which may be written to. BufferError, which names copy=True, for older consumers:
        they would write. BufferError for numbers in another byte order than this machine's."""
    def __dlpack_device__(self) -> tuple[int, int]:
        """(1, 0): the memory of the host."""

class Memory:
    """A ring as it is mapped here: read-only bytes, for registering them once with a device (cuMemHostRegister) or the kernel. Every frame of the
    ring lies in it. It stays mapped as long as this object or a view of it lives, whatever becomes of reader and publisher: undo a
    registration before. A buffer of bytes, as in numpy.frombuffer(memory, "uint8")."""
    @property
    def address(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def generation(self) -> int:
        """Differs for each ring: after a publisher's restart or larger frames, ask the reader again."""
    def __buffer__(self, flags: int, /) -> memoryview: ...
class Reader:
    def __init__(
        self,
        socket_path: _Path | None = None,
        drop_policy: _Policy | None = None,
        worker: str | None = None,
        *,
        depth: int = 0,
        max_held: int = 0,
        max_frame_age: float | None = 0.0,
        wake: _Wake = "block",
        reconnect: bool = True,
        max_rate: float | Fraction = 0,
        writable_copies: bool = False,
        path: _Path | None = None,
        policy: _Policy | None = None,
    ) -> None: ...
    @overload
    def read(self, timeout: None = None) -> Frame: ...
    @overload
    def read(self, timeout: float) -> Frame | None:
        """The next frame; None when none came within `timeout` seconds. Raises End at the end of the stream, and every 0.5 s until the next."""
    @overload
    def latest(self, timeout: None = None) -> Frame: ...
    @overload
    def latest(self, timeout: float) -> Frame | None:
        """As read, but passes over everything older than the newest frame."""
    def __iter__(self) -> Iterator[Frame]: ...
    def __next__(self) -> Frame: ...
    def __aiter__(self) -> AsyncIterator[Frame]: ...
    def interrupt(self, on: bool = True) -> None:
        """Makes a waiting read, and every later one, raise Interrupted until called with False. Any thread."""
    def flush(self) -> None:
        """Gives up every frame that waits now."""
    def fileno(self) -> int:
        """Readable when a read would not wait. After it was readable, read(0) until None."""
    @property
    def connected(self) -> bool:
        """Tells whether a publisher is attached now and offers every frame from now on; learned while reading."""
    @property
    def latency(self) -> float:
        """Latency of the publisher's pipeline, a part of a frame's age, seconds."""
    @property
    def closed(self) -> bool: ...
    @property
    def attachments(self) -> int:
        """How often a publisher was found."""
    def request_key_frame(self) -> bool:
        """Asks the publisher for a key frame, as after a loss in an encoded stream; it hears of all requests at most once in 500 ms. False: no
        publisher is attached, or its version knows no such request. Any thread."""
    def memory(self) -> Memory:
        """The ring that this reader is attached to, as it is mapped here; raises Disconnected while it is attached to no publisher."""
    def stats(self) -> _ReaderStats: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...

class Loan:
    """A slot to be filled. Publish it with Publisher.publish(loan); otherwise it goes back when it dies or its `with` block ends."""

    @property
    def array(self) -> _Array:
        """Writable, in the shape of the publisher's format. Let it die before publishing."""
    @property
    def planes(self) -> tuple[_Array, ...]: ...
    @property
    def capacity(self) -> int: ...
    def discard(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...

class Publisher:
    """Makes a ring. Give format, width and height for raw video; dtype and shape for arrays of numbers, one a frame; or slot_size (and caps) for
    frames of any size up to it."""

    def __init__(
        self,
        socket_path: _Path | None = None,
        *,
        slot_size: int = 0,
        format: str | None = None,
        width: int = 0,
        height: int = 0,
        caps: str | None = None,
        framerate: float | Fraction | None = None,
        dtype: npt.DTypeLike | None = None,
        shape: int | Iterable[int] | None = None,
        drop_policy: _Policy = "drop-newest",
        max_readers: int = 1,
        depth: int = 5,
        max_held: int = 4,
        slots: int = 0,
        loans: int = 2,
        perms: int = 0o600,
        latency: float | None = None,
        path: _Path | None = None,
        policy: _Policy | None = None,
    ) -> None: ...
    def publish(
        self,
        data: ReadableBuffer | npt.NDArray[Any] | Loan,
        *,
        size: int | None = None,
        pts: int | None = None,
        dts: int | None = None,
        duration: int | None = None,
        offset: int | None = None,
        flags: int = 0,
        capture_utc: int | None = None,
        metadata: bytes | None = None,
        metas: Iterable[_Meta] | None = None,
    ) -> int | None:
        """Copies any C-contiguous buffer into the ring, or publishes a loan without a copy. The frame's number; None: no slot was free.
        `capture_utc` is when the frame was captured, in ns as time.time_ns(); `metadata` bytes of your own; `metas` as Frame.metas gives them.
        TooLarge where they need more than 4 KiB together."""
    def loan(self) -> Loan:
        """Borrows a slot; raises Full when none is free."""
    def set_format(
        self,
        format: str | None = None,
        width: int = 0,
        height: int = 0,
        *,
        caps: str | None = None,
        framerate: float | Fraction | None = None,
        dtype: npt.DTypeLike | None = None,
        shape: int | Iterable[int] | None = None,
    ) -> None:
        """Sets the format of the frames from now on; makes a new ring where they need larger slots."""
    def resize(self, slot_size: int) -> None:
        """A new ring with slots of that size. NoMemory: it does not fit, or former rings are held; the present one goes on."""
    def set_latency(self, seconds: float) -> None:
        """Seconds from the capture to publish(), from now on; readers report it to their pipelines. Until then it is measured."""
    def key_frame_requested(self) -> bool:
        """Tells whether readers ask for a key frame: True once for all that asked, and at most once in 500 ms. Ask before each frame that is
        encoded."""
    def end(self) -> None:
        """End of stream: readers take what is pending, then stop. close() alone does not end them: they wait for the next publisher."""
    def stats(self) -> _RingStats: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...

class gather(Iterator[tuple[Frame, ...]]):
    complete: int
    incomplete: int
    dropped: list[int]
    restarts: list[int]
    def __init__(
        self,
        readers: Iterable[Reader],
        tolerance: float = 0.0,
        *,
        key: Literal["pts", "sequence", "seq", "offset"] | Callable[[Frame], Any] = "pts",
        timeout: float | None = None,
    ) -> None: ...
    @property
    def missing(self) -> list[int]: ...
    def __next__(self) -> tuple[Frame, ...]: ...

def select(readers: Iterable[Reader], timeout: float | None = None) -> list[tuple[Reader, Frame | None]]:
    """Waits until a reader has a frame, for at most `timeout` seconds. A list of pairs (reader, its next frame), empty when the time is over;
    None in place of the frame of a stream that has ended."""

class batch(Iterator[list[tuple[Reader, Frame]]]):
    def __init__(self, readers: Iterable[Reader], size: int | None = None, timeout: float = 0.0) -> None: ...
    def __next__(self) -> list[tuple[Reader, Frame]]: ...

def inspect(socket_path: _Path, timeout: float = 1.0) -> _RingStats:
    """Stats of a live ring, through an observer: takes no lane, maps nothing."""

class Object:
    """Something that was found at a place in a frame."""

    label: str
    score: float
    box: Sequence[float]
    track: int | None
    parent: int | None
    polygon: Sequence[Sequence[float]]
    keypoints: Sequence[Sequence[float]]
    attributes: dict[str, str | float | bool]
    def __init__(
        self,
        label: str,
        score: float,
        box: Sequence[float] | _Array,
        track: int | None = None,
        parent: int | None = None,
        polygon: Sequence[Sequence[float]] | _Array = (),
        keypoints: Sequence[Sequence[float]] | _Array = (),
        attributes: dict[str, str | float | bool] = ...,
    ) -> None: ...

class Classification(NamedTuple):
    """What a whole frame is, and how sure the model is."""

    label: str
    score: float

class Result:
    """What a worker found in one frame. What it did not say is None, "" or 0."""

    ring: str
    sequence: int | None
    pts: int | None
    width: int
    height: int
    worker: str
    model: str
    took: int | None
    objects: list[Object]
    classes: list[Classification]
    extra: dict[str, Any]
    captured_at: int | None
    sent_at: int | None
    def __init__(
        self,
        ring: str = "",
        sequence: int | None = None,
        pts: int | None = None,
        width: int = 0,
        height: int = 0,
        worker: str = "",
        model: str = "",
        took: int | None = None,
        objects: list[Object] = ...,
        classes: list[Classification] = ...,
        extra: dict[str, Any] = ...,
        captured_at: int | None = None,
        sent_at: int | None = None,
    ) -> None: ...
    @property
    def latency(self) -> float | None:
        """Seconds from the capture of the frame (its pts) to the sending of the result; None where one of them is not known."""
    def to_json(self) -> bytes:
        """The JSON. Raises Invalid where a field is outside its limits."""

class Results:
    worker: str
    model: str
    def __init__(
        self,
        socket_path: _Path,
        worker: str | None = None,
        model: str | None = None,
        *,
        max_readers: int = 8,
        depth: int = 64,
        perms: int = 0o600,
    ) -> None: ...
    def send(
        self,
        frame: Any,
        objects: Iterable[Object] = (),
        *,
        classes: Iterable[tuple[str, float]] = (),
        extra: dict[str, Any] | None = None,
        took: int | None = None,
        ring: str | None = None,
        sequence: int | None = None,
        pts: int | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> int | None:
        """Sends what was found in a frame. The result's own number in the ring; None: no slot was free. Raises Invalid, and sends nothing, where a
        field is outside its limits."""
    def end(self) -> None:
        """End of stream: readers take what is pending, then stop. close() alone does not end them: they wait for the next publisher."""
    def stats(self) -> _RingStats: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...

class _ResultReaderStats(_ReaderStats):
    refused: int

class ResultReader:
    refused: int
    refusal: str
    def __init__(
        self,
        socket_path: _Path,
        worker: str | None = None,
        *,
        drop_policy: _Policy = "drop-oldest",
        depth: int = 0,
        reconnect: bool = True,
    ) -> None: ...
    @overload
    def read(self, timeout: None = None) -> Result: ...
    @overload
    def read(self, timeout: float) -> Result | None:
        """The next result; None when none came within `timeout` seconds. Raises End at the end of the stream."""
    def __iter__(self) -> Iterator[Result]: ...
    def __next__(self) -> Result: ...
    def __aiter__(self) -> AsyncIterator[Result]: ...
    def interrupt(self, on: bool = True) -> None:
        """Makes a waiting read, and every later one, raise Interrupted until called with False. Any thread."""
    def fileno(self) -> int:
        """Readable when a read would not wait. After it was readable, read(0) until None."""
    @property
    def connected(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    def stats(self) -> _ResultReaderStats:
        """The reader's account, as Reader.stats(), and `refused`."""
    def close(self) -> None:
        """Detaches. A thread that waits in this reader is woken."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...

class VideoCapture:
    timeout: float | None
    def __init__(self, socket_path: _Path | None = None, *, timeout: float | None = 10.0, worker: str | None = None) -> None: ...
    def open(self, socket_path: _Path) -> bool:
        """Waits for the first picture of the ring. False, with a RuntimeWarning, where none comes in time."""
    def isOpened(self) -> bool:
        """True once open() succeeded. It stays so at the end of the stream and while the publisher restarts, until release()."""
    def read(self) -> tuple[Literal[True], npt.NDArray[np.uint8]] | tuple[Literal[False], None]:
        """(True, the newest picture that was not read yet), or (False, None): none came in time, the stream has ended, or release() was called."""
    def grab(self) -> bool:
        """Reads a picture for retrieve(); True if there was one."""
    def retrieve(self) -> tuple[Literal[True], npt.NDArray[np.uint8]] | tuple[Literal[False], None]:
        """(True, the picture that grab() read), or (False, None) where it read none."""
    def get(self, propId: int) -> float:
        """Of the last picture: CAP_PROP_FRAME_WIDTH and _HEIGHT, _FPS (0: it varies), _POS_MSEC (its pts) and _POS_FRAMES (its number in the ring).
        0 for other properties."""
    def set(self, propId: int, value: float) -> bool:
        """False: the publisher chooses size and rate."""
    def getBackendName(self) -> str: ...
    def release(self) -> None:
        """Leaves the ring. A read() that waits in another thread returns (False, None)."""

def snapshot(socket_path: _Path, timeout: float | None = 5.0, *, bgr: bool = False) -> _Array:
    """The newest frame of a ring as an array of its own, in the shape of Frame.array; with bgr=True as Frame.to_bgr() makes it.
    Raises Timeout where no frame comes within `timeout` seconds."""
