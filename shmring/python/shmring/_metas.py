# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metas of a frame: what GStreamer, or a publisher in Python, says about it beside its bytes."""

import typing

from ._errors import Invalid

_TIMESTAMP, _SERIALIZED, _CUSTOM, _REGION = 1, 2, 4, 5  # shmring_meta_kind; the others are no metas of GStreamer
_NONE = (1 << 64) - 1  # SHMRING_TIME_NONE


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
    parameters: typing.Tuple[str, ...] = ()


class CustomMeta(typing.NamedTuple):
    """A GstCustomMeta with its fields as the text of a GstStructure: 'lens, zoom=(int)3;'."""

    name: str
    fields: str


class SerializedMeta(typing.NamedTuple):
    """Any other meta, as gst_meta_serialize() of GStreamer 1.24 or newer gave it."""

    data: bytes


for _class in (Timestamp, Region, CustomMeta, SerializedMeta):
    _class.__module__ = "shmring"


def decode(records):
    """Metas of the records that the extension module found: (kind, name, data, time, duration, box, id, parent)."""
    return tuple(_decode(*record) for record in records if record[0] in (_TIMESTAMP, _SERIALIZED, _CUSTOM, _REGION))


def _decode(kind, name, data, time, duration, box, id, parent):
    name = name.decode(errors="replace")
    if kind == _TIMESTAMP:
        return Timestamp(name, time, None if duration == _NONE else duration)
    if kind == _REGION:
        return Region(name, box[0], box[1], box[2], box[3], id, parent, tuple(data.decode(errors="replace").split("\n")) if data else ())
    if kind == _CUSTOM:
        return CustomMeta(name, data.decode(errors="replace"))
    return SerializedMeta(data)


def encode(metas):
    """The same records of metas."""
    return [_encode(meta) for meta in metas]


def _record(kind, name=b"", data=b"", time=0, duration=_NONE, box=(0, 0, 0, 0), id=0, parent=-1):
    return kind, name, data, time, duration, box, id, parent


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
    except AttributeError:
        raise TypeError(f"{meta!r} has a field of another type than shmring.{type(meta).__name__} documents") from None
    raise TypeError(f"metas are Timestamp, Region, CustomMeta or SerializedMeta of shmring, not {type(meta).__name__}")
