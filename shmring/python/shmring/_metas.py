# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metas of a frame: what GStreamer, or a publisher in Python, says about it beside its bytes."""

import struct
import typing

from ._errors import Invalid
from ._results import Classification

# shmring_meta_kind; the others are no metas of GStreamer
_TIMESTAMP, _SERIALIZED, _CUSTOM, _REGION, _ANALYTICS = 1, 2, 4, 5, 7
_DETECTION, _CLASSIFICATION, _CLASS, _TRACKING, _RELATIONS = 8, 9, 10, 11, 12
_NONE = (1 << 64) - 1  # SHMRING_TIME_NONE
_RELATION = struct.Struct("<HHH")  # shmring_relation
_RELATION_TYPES = {"is-part-of": 2, "contain": 4, "relate-to": 8, "n-to-n": 16}  # shmring_relation_type


class Timestamp(typing.NamedTuple):
    """Time of a frame on another clock, a GstReferenceTimestampMeta. `reference` says which, as "timestamp/x-unix"; ns."""

    reference: str
    time: int
    duration: typing.Optional[int] = None


class Region(typing.NamedTuple):
    """Region of interest of a frame, a GstVideoRegionOfInterestMeta: pixels, and its parameters as text of GstStructures."""

    type: str
    x: int
    y: int
    width: int
    height: int
    id: int = 0
    parent: int = -1
    parameters: typing.Sequence[str] = ()


class CustomMeta(typing.NamedTuple):
    """A GstCustomMeta with its fields as the text of a GstStructure: 'lens, zoom=(int)3;'."""

    name: str
    fields: str


class SerializedMeta(typing.NamedTuple):
    """Any other meta, as gst_meta_serialize() of GStreamer 1.24 or newer gave it."""

    data: bytes


class Detection(typing.NamedTuple):
    """An object: its class, its box in pixels, which `rotation` (radians) turns around its centre; confidence below 0: not known."""

    label: str
    x: int
    y: int
    width: int
    height: int
    confidence: float = -1.0
    rotation: float = 0.0


class Classes(typing.NamedTuple):
    """Classes of an object or of the frame, each with the confidence in it: (("cat", 0.75), ("dog", 0.25))."""

    classes: typing.Sequence[typing.Tuple[str, float]]


class Tracking(typing.NamedTuple):
    """An object through time: its number, and when it was seen (ns, on the clock of the publisher's pts)."""

    id: int
    first_seen: typing.Optional[int] = None
    last_seen: typing.Optional[int] = None
    lost: bool = False


class Relation(typing.NamedTuple):
    """A relation of two items, by their places in Analytics.items: "is-part-of", "contain", "relate-to" or "n-to-n"."""

    first: int
    second: int
    type: str


class Analytics(typing.NamedTuple):
    """A GstAnalyticsRelationMeta: Detection, Classes and Tracking, and the relations between them.

    An item of a kind that this version does not know is None."""

    items: typing.Sequence[typing.Union[Detection, Classes, Tracking, None]]
    relations: typing.Sequence[typing.Tuple[int, int, str]] = ()


_ITEMS = (Detection, Classes, Tracking)
_METAS = (Timestamp, Region, CustomMeta, SerializedMeta, Analytics)
for _class in (*_METAS, *_ITEMS, Relation):
    _class.__module__ = "shmring"


def decode(records):
    """Metas of the records that the extension module found: the fields of shmring_meta, and the records of a row as its data."""
    return tuple(_decode(*record) for record in records if record[0] in (_TIMESTAMP, _SERIALIZED, _CUSTOM, _REGION, _ANALYTICS))


def _decode(kind, name, data, time, duration, box, id, parent, *_):
    name = _text(name)
    if kind == _TIMESTAMP:
        return Timestamp(name, time, _time(duration))
    if kind == _REGION:
        return Region(name, box[0], box[1], box[2], box[3], id, parent, tuple(_text(data).split("\n")) if data else ())
    if kind == _CUSTOM:
        return CustomMeta(name, _text(data))
    if kind == _ANALYTICS:
        return Analytics(tuple(_decode_item(*record) for record in data if record[0] != _RELATIONS),
                         tuple(relation for record in data if record[0] == _RELATIONS for relation in _decode_relations(record[2])))
    return SerializedMeta(data)


def _decode_item(kind, name, data, time, _duration, box, _id, _parent, confidence, rotation, track, last_seen, lost):
    if kind == _DETECTION:
        x, y, width, height = struct.unpack("<4i", struct.pack("<4I", *box))
        return Detection(_text(name), x, y, width, height, confidence, rotation)
    if kind == _CLASSIFICATION:
        return Classes(tuple(Classification(_text(record[1]), record[8]) for record in data if record[0] == _CLASS))
    if kind == _TRACKING:
        return Tracking(track, _time(time), _time(last_seen), bool(lost))
    return None


def _decode_relations(data):
    return [Relation(first, second, name) for first, second, types in _RELATION.iter_unpack(data)
            for name, bit in _RELATION_TYPES.items() if types & bit]


def _text(data):
    return data.decode(errors="replace")


def _time(time):
    return None if time == _NONE else time


def encode(metas):
    """The same records of metas."""
    return [_encode(meta) for meta in metas]


def _record(kind, name=b"", data=b"", time=0, duration=_NONE, box=(0, 0, 0, 0), id=0, parent=-1, confidence=-1.0, rotation=0.0,
            track=0, last_seen=_NONE, lost=False):
    return kind, name, data, time, duration, box, id, parent, confidence, rotation, track, last_seen, lost


def _encode(meta):
    try:
        if isinstance(meta, Timestamp):
            return _record(_TIMESTAMP, meta.reference.encode(), time=meta.time, duration=_NONE if meta.duration is None else meta.duration)
        if isinstance(meta, Region):
            lines = [parameter.encode() for parameter in meta.parameters]
            if any(b"\n" in line for line in lines):
                raise Invalid("a parameter of a Region is one line of text, as Gst.Structure.to_string() gives it")
            return _record(_REGION, meta.type.encode(), b"\n".join(lines), box=tuple(meta)[1:5], id=meta.id, parent=meta.parent)
        if isinstance(meta, CustomMeta):
            return _record(_CUSTOM, meta.name.encode(), meta.fields.encode())
        if isinstance(meta, SerializedMeta):
            return _record(_SERIALIZED, data=bytes(meta.data))
        if isinstance(meta, Analytics):
            items = tuple(meta.items)
            return _record(_ANALYTICS, data=[_encode_item(item) for item in items] + _encode_relations(meta.relations, len(items)))
    except AttributeError:
        raise TypeError(f"{meta!r} has a field of another type than shmring.{type(meta).__name__} documents") from None
    if isinstance(meta, _ITEMS):
        raise TypeError(f"a {type(meta).__name__} is an item of shmring.Analytics: metas=[shmring.Analytics([{type(meta).__name__}(…)])]")
    raise TypeError(f"metas are {', '.join(kind.__name__ for kind in _METAS)} of shmring, not {type(meta).__name__}")


def _encode_item(item):
    if isinstance(item, Detection):
        try:
            box = struct.unpack("<4I", struct.pack("<4i", *item[1:5]))
        except struct.error:
            raise Invalid("x, y, width and height of a Detection are whole numbers of 32 bits with a sign") from None
        return _record(_DETECTION, item.label.encode(), box=box, confidence=item.confidence, rotation=item.rotation)
    if isinstance(item, Classes):
        return _record(_CLASSIFICATION, data=[_record(_CLASS, label.encode(), confidence=confidence) for label, confidence in item.classes])
    if isinstance(item, Tracking):
        return _record(_TRACKING, track=item.id, time=_NONE if item.first_seen is None else item.first_seen,
                       last_seen=_NONE if item.last_seen is None else item.last_seen, lost=item.lost)
    raise TypeError(f"items of Analytics are {', '.join(kind.__name__ for kind in _ITEMS)}, not {type(item).__name__}")


def _encode_relations(relations, items):
    data = b""
    for first, second, name in relations:
        if name not in _RELATION_TYPES:
            raise Invalid(f"a Relation is {', '.join(_RELATION_TYPES)}, not {name!r}")
        if first not in range(items) or second not in range(items):
            raise Invalid(f"a Relation is between places of Analytics.items, 0 to {items - 1}, not {first!r} and {second!r}")
        try:
            data += _RELATION.pack(first, second, _RELATION_TYPES[name])
        except struct.error:
            raise Invalid(f"a Relation is between two numbers of items, of 16 bits, not {first!r} and {second!r}") from None
    return [_record(_RELATIONS, data=data)] if data else []
