# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results: what a worker found in a frame, sent through a ring of their own and read from it."""

import contextlib
import dataclasses
import json
import logging
import os
import threading
import time
import typing

from ._errors import Invalid
from ._path import worker_name
from ._publisher import Publisher
from ._shmring import RESULT_CAPS, RESULT_SIZE, check_result

_log = logging.getLogger("shmring")
_MOST_PASSED_OVER = 1024  # when the time is over: more than can wait, so that a flood of what is no result ends, too


@dataclasses.dataclass(slots=True)
class Object:
    """Something that was found at a place in a frame.

    label       The kind of thing: "person".
    score       How sure the model is, 0 to 1 where it gives a probability.
    box         x, y, width and height in pixels of the frame; it may reach beyond the frame.
    track       Number of the thing, the same in other frames; None: not known.
    parent      Index of an earlier object of the same result, of which this one is a part.
    polygon     Its outline, points (x, y).
    keypoints   Points (x, y) or (x, y, score), in the model's order.
    attributes  Texts, numbers and booleans by name: {"coat": "red"}.
    """

    label: str
    score: float
    box: typing.Sequence[float]
    track: typing.Optional[int] = None
    parent: typing.Optional[int] = None
    polygon: typing.Sequence[typing.Sequence[float]] = ()
    keypoints: typing.Sequence[typing.Sequence[float]] = ()
    attributes: typing.Dict[str, typing.Any] = dataclasses.field(default_factory=dict)


class Classification(typing.NamedTuple):
    """What a whole frame is, and how sure the model is."""

    label: str
    score: float


@dataclasses.dataclass(slots=True)
class Result:
    """What a worker found in one frame. What it did not say is None, "" or 0.

    ring           Path of the ring's socket that the frame came from.
    sequence, pts  Of the frame.
    width, height  Of the frame, in whose pixels the objects are.
    worker, model  Who found it.
    took           ns from taking the frame to sending the result.
    captured_at    When the frame was captured, UTC in ns, where its ring said it.
    sent_at        When the result was sent, ns as time.monotonic_ns().
    """

    ring: str = ""
    sequence: typing.Optional[int] = None
    pts: typing.Optional[int] = None
    width: int = 0
    height: int = 0
    worker: str = ""
    model: str = ""
    took: typing.Optional[int] = None
    objects: typing.List[Object] = dataclasses.field(default_factory=list)
    classes: typing.List[Classification] = dataclasses.field(default_factory=list)
    extra: typing.Dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    captured_at: typing.Optional[int] = None
    sent_at: typing.Optional[int] = None

    @property
    def latency(self):
        """Seconds from the capture of the frame (its pts) to the sending of the result; None where one of them is not known."""
        return None if self.pts is None or self.sent_at is None else (self.sent_at - self.pts) * 1e-9

    def to_json(self):
        """The JSON, as bytes. Raises Invalid where a field is outside its limits."""
        return _encode(self)


_OBJECT_FIELDS = tuple(field.name for field in dataclasses.fields(Object))

for _class in (Object, Classification, Result):
    _class.__module__ = "shmring"


class Results:
    """A worker's way to tell what it found: a ring of results, which others read with ResultReader or join to the frames with resultjoin.

        with shmring.Reader("/run/cam/cam.sock", "latest", "person") as frames, shmring.Results("/run/cam/person.sock", "person") as results:
            for frame in frames:
                results.send(frame, [shmring.Object("person", 0.9, (10, 20, 30, 80))])

    socket_path  Of the socket that it makes; the folder must be there.
    worker       The worker's name, in each result; the program's name and process number if none is given.
    model        The model's name, in each result.
    max_readers  How many may read at once.
    depth        Results that wait for a reader which pauses, before the oldest is dropped.
    perms        Permission bits of the socket.
    """

    __module__ = "shmring"

    def __init__(self, socket_path, worker=None, model=None, *, max_readers=8, depth=64, perms=0o600):
        self.worker = worker or worker_name()
        self.model = model or ""
        _encode(Result(worker=self.worker, model=self.model))
        self._slot_size = 4096
        self._growing = threading.Lock()
        self._publisher = Publisher(socket_path, slot_size=self._slot_size, caps=RESULT_CAPS, drop_policy="drop-oldest",
                                    max_readers=max_readers, depth=depth, max_held=4, perms=perms)

    def send(self, frame, objects=(), *, classes=(), extra=None, took=None, ring=None, sequence=None, pts=None, width=None, height=None):
        """Sends what was found in a frame. The result's own number in the ring; None: no slot was free.

        frame            The frame; after its release its width and height are not known. Or any object with some of ring, sequence, pts, width and
                         height, or None: give what it lacks.
        objects          Objects, empty where nothing was found.
        classes          Pairs (label, score): what the whole frame is.
        extra            A dictionary of JSON with anything else.
        took             ns that the work took; None: from taking the frame until now.
        width, height    Of the picture in whose pixels the objects are, if that is not the frame.

        Raises Invalid, and sends nothing, where a field is outside its limits, and TypeError where it is of another type.
        """
        if frame is not None and not any(hasattr(frame, name) for name in ("ring", "sequence", "pts", "width", "height")):
            raise TypeError(f"frame is a frame, an object with some of ring, sequence, pts, width and height, or None, not {type(frame).__name__}")
        taken_at = getattr(frame, "taken_at", None)
        if took is None and taken_at is not None:
            took = time.monotonic_ns() - taken_at
        result = Result(
            ring=_first(ring, frame, "ring") or "", sequence=_first(sequence, frame, "sequence"), pts=_first(pts, frame, "pts"),
            width=_first(width, frame, "width") or 0, height=_first(height, frame, "height") or 0, worker=self.worker, model=self.model,
            took=took, objects=objects, classes=classes, extra=extra or {})
        data = _encode(result)
        if len(data) > self._slot_size:
            self._grow(len(data))
        return self._publisher.publish(data, pts=result.pts, capture_utc=_captured_at(frame))

    def _grow(self, size):
        with self._growing:
            if size > self._slot_size:
                slot_size = min(1 << (size - 1).bit_length(), RESULT_SIZE)
                self._publisher.resize(slot_size)
                self._slot_size = slot_size

    def end(self):
        """End of stream: readers take what is pending, then stop. close() alone does not end them: they wait for the next publisher."""
        self._publisher.end()

    def stats(self):
        """The ring's stats, as Publisher.stats()."""
        return self._publisher.stats()

    @property
    def closed(self):
        return self._publisher.closed

    def close(self):
        self._publisher.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __reduce__(self):
        return self._publisher.__reduce__()


def _first(given, frame, name):
    if given is not None:
        return given
    try:
        return getattr(frame, name, None)
    except Invalid:  # it was released
        return None


def _captured_at(frame):
    time_ = _first(None, frame, "captured_at")
    return time_ if isinstance(time_, int) else None


def _encode(result):
    """The JSON of a result, which the library took. Empty texts, sides of 0 and what is None are left out."""
    fields = {
        "ring": _text_of_path(result.ring) or None, "sequence": result.sequence, "pts": result.pts,
        "width": result.width or None, "height": result.height or None, "worker": result.worker or None, "model": result.model or None,
        "took": result.took,
        "objects": [_fields(each, f"objects[{index}]") for index, each in enumerate(_list(result.objects, "objects", "shmring.Object"))],
        "classes": [_class_fields(each, index) for index, each in enumerate(_list(result.classes, "classes", "pairs (label, score)"))] or None,
        "extra": result.extra or None,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    try:
        data = _dump(fields, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:  # NaN, an unpaired surrogate, a list within itself
        _name_what_is_not_finite(fields)
        raise Invalid(f"the result is refused: {error}") from None
    check_result(data)
    return data


def _dump(fields, allow_nan):
    return json.dumps(fields, ensure_ascii=False, allow_nan=allow_nan, separators=(",", ":"), default=_plain)


def _name_what_is_not_finite(fields):
    """Raises Invalid with the name of a field that should be a number and is NaN or infinite: the library knows the names."""
    try:
        data = _dump(json.loads(_dump(fields, allow_nan=True), parse_constant=lambda _: None), allow_nan=False).encode()
    except (ValueError, RecursionError):  # it is something else
        return
    check_result(data)


def _text_of_path(path):
    try:
        return os.fsencode(path).decode(errors="replace")
    except TypeError:
        raise TypeError(f"ring is the path of a socket, a string or a pathlib.Path, not {type(path).__name__}") from None


def _list(value, name, of):
    """The elements of a list, an array or whatever else is one."""
    if not isinstance(value, (str, bytes, dict)):
        with contextlib.suppress(TypeError):
            return list(value)
    raise TypeError(f"{name} is a list of {of}, not {type(value).__name__}")


def _fields(found, place):
    if not all(hasattr(found, name) for name in _OBJECT_FIELDS):
        raise TypeError(f"{place} is a shmring.Object, not {type(found).__name__}")
    fields = {"label": found.label, "score": found.score, "box": _list(found.box, f"{place}.box", "4 numbers")}
    if found.track is not None:
        fields["track"] = found.track
    if found.parent is not None:
        fields["parent"] = found.parent
    for name in "polygon", "keypoints":
        if points := _list(getattr(found, name), f"{place}.{name}", "points"):
            fields[name] = [_list(point, f"{place}.{name}[{index}]", "numbers") for index, point in enumerate(points)]
    if found.attributes:
        fields["attributes"] = found.attributes
    return fields


def _class_fields(found, index):
    try:
        label, score = found
    except (TypeError, ValueError):
        raise TypeError(f"classes[{index}] is a pair (label, score), not {found!r:.100}") from None
    return {"label": label, "score": score}


def _plain(value):
    """Numbers and arrays of numpy, and whatever else has tolist(), as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a result has texts, numbers, booleans, lists and dictionaries, not {type(value).__name__}: {value!r:.100}")


def _decode(data, frame):
    check_result(data)
    value = json.loads(data)
    whole = {name: int(value[name]) for name in ("sequence", "pts", "width", "height", "took") if name in value}
    return Result(
        **{"pts": frame.pts, **whole}, **{name: value[name] for name in ("ring", "worker", "model", "extra") if name in value},
        objects=[_object(each) for each in value["objects"]],
        classes=[Classification(each["label"], each["score"]) for each in value.get("classes", ())],
        captured_at=frame.captured_at, sent_at=frame.published_at)


def _object(value):
    return Object(
        value["label"], value["score"], tuple(value["box"]), **{name: int(value[name]) for name in ("track", "parent") if name in value},
        polygon=tuple(map(tuple, value.get("polygon", ()))), keypoints=tuple(map(tuple, value.get("keypoints", ()))),
        attributes=value.get("attributes", {}))


class ResultReader:
    """Reads results. Their publisher need not be there yet: reading waits for it, and for the next one after its death.

        for result in shmring.ResultReader("/run/cam/person.sock"):
            print(result.sequence, result.objects)

    socket_path  Of the publisher's socket.
    worker       The name in everybody's statistics; the program's name and process number if none is given.
    drop_policy  "drop-oldest": a reader that pauses loses none until `depth` wait. "latest": the newest only.
    depth        Results that may wait, 0: as many as the publisher grants.
    reconnect    False: reading raises Disconnected when the publisher is gone.

    What is no result is passed over, counted in `refused` and logged; `refusal` says what was wrong with the last.
    """

    __module__ = "shmring"

    def __init__(self, socket_path, worker=None, *, drop_policy="drop-oldest", depth=0, reconnect=True):
        from . import Reader

        self._reader = Reader(socket_path, drop_policy, worker, depth=depth, reconnect=reconnect)
        self._path = os.fsdecode(socket_path)
        self.refused = 0
        self.refusal = ""

    def read(self, timeout=None):
        """The next result; None when none came within `timeout` seconds. Raises End at the end of the stream."""
        begin = time.monotonic()
        left = timeout
        passed_over = 0
        while passed_over < _MOST_PASSED_OVER:
            frame = self._reader.read(left)
            if frame is None:
                return None
            if (result := self._take(frame)) is not None:
                return result
            if timeout is not None:
                left = max(0.0, begin + timeout - time.monotonic())
                passed_over += left == 0
        return None

    def __iter__(self):
        return self

    def __next__(self):
        for frame in self._reader:
            if (result := self._take(frame)) is not None:
                return result
        raise StopIteration

    async def __aiter__(self):
        async for frame in self._reader:
            if (result := self._take(frame)) is not None:
                yield result

    def _take(self, frame):
        with frame:
            try:
                if not frame.caps.startswith("application/x-frame-results"):
                    raise Invalid(f"its caps are {frame.caps or 'none'}, not {RESULT_CAPS}")
                return _decode(bytes(memoryview(frame)[:RESULT_SIZE + 1]), frame)
            except Invalid as error:
                self.refused += 1
                self.refusal = str(error)
        if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, 8, …
            _log.warning("%s: refused what is no result, %d in all: %s", self._path, self.refused, self.refusal)
        return None

    def interrupt(self, on=True):
        """Makes a waiting read, and every later one, raise Interrupted until called with False. Any thread."""
        self._reader.interrupt(on)

    def fileno(self):
        """Readable when a read would not wait. After it was readable, read(0) until None."""
        return self._reader.fileno()

    def stats(self):
        """The reader's account, as Reader.stats(), and `refused`."""
        return {**self._reader.stats(), "refused": self.refused}

    @property
    def connected(self):
        return self._reader.connected

    @property
    def closed(self):
        return self._reader.closed

    def close(self):
        """Detaches. A thread that waits in this reader is woken."""
        self._reader.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
