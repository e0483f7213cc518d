# SPDX-License-Identifier: LGPL-2.1-or-later
"""A reader that knows nothing but docs/abi.md: what the page says is in the memory and in the messages of a real publisher."""

import ctypes
import mmap
import pathlib
import re
import socket
import struct
import time

import pytest
import shmring
from conftest import eventually, pattern

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (\w+)(?:\.(\w+))? \| ?(\d*) \| ?(\d*) \|", re.M)
MESSAGE = re.compile(r"^\| ([A-Z]+) \| (\d+) \| [^|]+ \| [^|]+ \| (\d+)", re.M)
NUMBER = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}

FIELDS = {}  # of each structure: name → (offset, size)
SIZES = {}  # of each structure and message
TYPES = {}  # of each message
_page = (ROOT / "docs/abi.md").read_text(encoding="utf-8")
for _record, _field, _offset, _size in ROW.findall(_page):
    if _field:
        FIELDS.setdefault(_record, {})[_field] = (int(_offset), int(_size or 0))
    elif _size:
        SIZES[_record] = int(_size)
for _name, _type, _size in MESSAGE.findall(_page):
    SIZES[_name.capitalize()] = int(_size)
    TYPES[_name.capitalize()] = int(_type)


class Record:
    """A structure of the page at some place in memory."""

    def __init__(self, name, memory, at=0):
        self.fields, self.memory, self.at = FIELDS[name], memory, at

    def __getitem__(self, field):
        offset, size = self.fields[field]
        return struct.unpack_from(NUMBER[size], self.memory, self.at + offset)[0]

    def __setitem__(self, field, value):
        offset, size = self.fields[field]
        struct.pack_into(NUMBER.get(size, f"{size}s"), self.memory, self.at + offset, value)


def message(name, /, **values):
    data = bytearray(SIZES[name])
    head = Record("Head", data)
    head["magic"], head["type"] = int.from_bytes(b"SHMR", "little"), TYPES[name]
    for field, value in values.items():
        Record(name, data)[field] = value
    return data


class Reader:
    """Attaches and maps."""

    def __init__(self, path, **hello):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.socket.send(message("Hello", protocol_min=1, protocol_max=1, name=b"page-reader", **hello))
        answer, descriptors, _, _ = socket.recv_fds(self.socket, 1024, 3)
        assert Record("Head", answer)["type"] == TYPES["Welcome"]
        self.welcome = Record("Welcome", answer)
        self.ring = mmap.mmap(descriptors[0], self.welcome["ring_size"], prot=mmap.PROT_READ)
        self.lane = mmap.mmap(descriptors[1], self.welcome["lane_size"])
        self.header = Record("RingHeader", self.ring)
        self.block = Record("LaneBlock", self.ring, self.header["lanes_offset"] + self.welcome["lane"] * self.header["lane_stride"])
        self.page = Record("LanePage", self.lane)
        self.socket.send(message("Mapped"))

    def take(self):
        """The next frame's slot; the tail is this reader's alone under drop-newest."""
        assert eventually(lambda: self.block["head"] > self.page["tail"])
        tail = self.page["tail"]
        entry = self.block.at + self.block.fields["entry"][0] + 4 * (tail % self.welcome["depth"])
        self.page["tail"] = tail + 1
        return struct.unpack_from("<I", self.ring, entry)[0]

    def release(self, slot, sequence):
        struct.pack_into("<Q", self.lane, self.page.fields["ack"][0] + 8 * slot, sequence)


@pytest.fixture
def publisher(path):
    with shmring.Publisher(path, format="BGR", width=8, height=6, max_readers=2) as publisher:
        yield publisher


def test_the_header_is_as_the_page_says(publisher, path):
    reader = Reader(path)
    header, stats = reader.header, publisher.stats()
    assert bytes(reader.ring[:8]) == b"SHMRING1"
    assert header["layout_version"] == 1 and header["header_size"] == SIZES["RingHeader"]
    assert header["ring_id"] == reader.welcome["ring_id"] != 0
    assert header["total_size"] == len(reader.ring) == stats["memory"]
    assert header["slot_count"] == stats["slots"] and header["slot_size"] == stats["slot_size"]
    assert header["format_stride"] == SIZES["FormatArea"]
    assert header["payload_offset"] + header["slot_count"] * header["slot_stride"] == header["total_size"]
    counters = -(-(FIELDS["LanePage"]["ack"][0] + 8 * header["slot_count"]) // 128) * 128
    assert -(-(counters + SIZES["LaneCounters"]) // 4096) * 4096 == len(reader.lane)


def test_a_reader_written_from_the_page_takes_frames_and_gives_them_back(publisher, path):
    reader = Reader(path, depth=2)
    image = pattern(6, 8, 3)
    for number in range(1, 8):
        assert publisher.publish(image, pts=number * 1000, offset=number + 40) == number
        slot = reader.take()
        descriptor = Record("SlotDescriptor", reader.ring, reader.header["slots_offset"] + slot * SIZES["SlotDescriptor"])
        assert (descriptor["sequence"], descriptor["size"], descriptor["pts"]) == (number, image.nbytes, number * 1000)
        assert descriptor["extras"] & 1 and descriptor["offset"] == number + 40
        assert descriptor["published_at"] <= time.monotonic_ns()
        area = Record("FormatArea", reader.ring, reader.header["formats_offset"] + slot * SIZES["FormatArea"])
        assert area["id"] == descriptor["format_id"] and (area["width"], area["height"]) == (8, 6)
        caps = area.at + area.fields["caps"][0]
        text = bytes(reader.ring[caps:caps + area["caps_size"] + 1])
        assert text.startswith(b"video/x-raw, format=(string)BGR") and text.endswith(b"\0")
        payload = reader.header["payload_offset"] + slot * reader.header["slot_stride"]
        assert bytes(reader.ring[payload:payload + descriptor["size"]]) == image.tobytes()
        reader.release(slot, number)
    lane = publisher.stats()["accounts"][0]
    assert (lane["worker"], lane["delivered"], lane["dropped"], lane["pending"]) == ("page-reader", 7, 0, 0)
    assert publisher.stats()["free_slots"] == publisher.stats()["slots"] - 1  # the newest frame is kept


def test_the_end_and_the_goodbye_are_as_the_page_says(publisher, path):
    reader = Reader(path)
    publisher.publish(pattern(6, 8, 3))
    reader.take()
    publisher.end()
    heard = {}
    while TYPES["End"] not in heard:
        said = reader.socket.recv(1024)
        if len(said) > 1:  # not the bell
            heard[Record("Head", said)["type"]] = said
    assert len(heard[TYPES["End"]]) == SIZES["End"] and Record("End", heard[TYPES["End"]])["after_sequence"] == 1


def test_the_structures_of_the_c_api_are_where_the_golden_file_says():
    fields, record = {}, None
    for line in (ROOT / "tests/checks/golden/capi.layout").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if line.startswith(" "):
            fields[record, words[0]] = int(words[1])
        else:
            record = words[0]
            fields[record] = int(words[1])
    library = ctypes.CDLL("libshmring.so.0")
    library.shmring_format_video.restype = ctypes.c_uint64
    format_, caps = ctypes.create_string_buffer(fields["shmring_format"]), ctypes.create_string_buffer(256)
    struct.pack_into("@N", format_, fields["shmring_format", "struct_size"], len(format_))
    nv12 = 12
    assert library.shmring_format_video(format_, nv12, 640, 480, caps, ctypes.c_size_t(len(caps))) == 640 * 480 * 3 // 2

    def word(form, record, field, at=0):
        return struct.unpack_from(form, format_, at + fields[record, field])[0]

    assert word("@I", "shmring_format", "pixel_format") == nv12
    assert (word("@I", "shmring_format", "width"), word("@I", "shmring_format", "height")) == (640, 480)
    assert word("@I", "shmring_format", "plane_count") == 2
    second = fields["shmring_format", "planes"] + fields["shmring_plane"]
    assert word("@Q", "shmring_plane", "offset", second) == 640 * 480 and word("@i", "shmring_plane", "stride", second) == 640
