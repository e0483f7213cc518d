# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Matroska file holds each frame as soon as it counts as written, whichever thread the muxer of this GStreamer writes in."""

import errno
import os

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402
from surveillance.recording.film import Film  # noqa: E402
from surveillance.recording.reel import Frame  # noqa: E402

Gst.init(None)
CAPS = Gst.Caps.from_string("image/jpeg, width=16, height=16, framerate=10/1")


def content(number):
    return f"<frame {number}>".encode() * 50


def frame(number):
    data = content(number)
    return Frame(number, number, number / 10, 1e9 + number / 10, True, 0, len(data), Gst.Buffer.new_wrapped(data), CAPS)


def frames_in(path):
    """The frames' contents, as GStreamer's own demuxer finds them."""
    found = []
    pipeline = Gst.parse_launch(f"filesrc location={path} ! matroskademux ! fakesink name=out signal-handoffs=true sync=false")
    pipeline.get_by_name("out").connect("handoff", lambda _, buffer, pad: found.append(buffer.extract_dup(0, buffer.get_size())))
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message and message.type == Gst.MessageType.EOS
    return found


def test_a_frame_that_counts_as_written_is_in_the_file(tmp_path):
    film = Film(tmp_path / "film.mkv", frame(0))
    for number in range(50):
        film.write(frame(number))
        assert content(number) in film.path.read_bytes(), f"frame {number}"
    film.abandon()
    assert frames_in(film.path) == [content(number) for number in range(50)]


@pytest.mark.parametrize("length", [1, 2, 6])
def test_a_closed_film_has_every_frame(length, tmp_path):
    for round_ in range(30):
        film = Film(tmp_path / f"film-{round_}.mkv", frame(0))
        for number in range(length):
            film.write(frame(number))
        film.close()
        assert frames_in(film.path) == [content(number) for number in range(length)]


def test_the_frame_that_a_full_disk_refuses_is_the_one_that_fails(tmp_path):
    film = Film(tmp_path / "film.mkv", frame(0))
    film.write(frame(0))
    with open("/dev/full", "wb", buffering=0) as full:
        os.dup2(full.fileno(), film._fd)
    with pytest.raises(OSError) as refused:
        film.write(frame(1))
    assert refused.value.errno == errno.ENOSPC
    assert film.frames == 1
    film.abandon()
