# SPDX-License-Identifier: LGPL-2.1-or-later
"""Across the border: GStreamer publishes and Python reads, Python publishes and GStreamer reads."""

import json
import time

import numpy as np
import pytest
import shmring
from conftest import eventually, pattern

cv2 = pytest.importorskip("cv2")
COLOUR = {"R": 0x10, "G": 0x50, "B": 0x90}
PACKED = ["RGB", "BGR", "RGBA", "BGRA", "RGBx", "BGRx", "ARGB", "ABGR", "xRGB", "xBGR"]


@pytest.fixture
def launch(spawn):
    return lambda line: spawn("gst-launch-1.0", "-q", *line.split())


def first_frame(path, launch, line):
    """The first frame seen of a live stream that a pipeline in another process publishes."""
    with shmring.Reader(path, worker="test") as reader:
        launch(f"{line} ! shmringsink socket-path={path}")
        return reader.read()


@pytest.mark.parametrize("width", [64, 61])
@pytest.mark.parametrize("name", PACKED)
def test_the_channels_of_a_packed_format_are_where_its_name_says(path, launch, name, width):
    frame = first_frame(path, launch, "videotestsrc is-live=true pattern=solid-color foreground-color=0xff105090 ! "
                        f"video/x-raw,format={name},width={width},height=6")
    assert (frame.format, frame.array.shape) == (name, (6, width, len(name)))
    for channel, letter in enumerate(name):
        if letter in COLOUR:
            assert (frame.array[:, :, channel] == COLOUR[letter]).all()


@pytest.mark.parametrize(("name", "code"), [("NV12", cv2.COLOR_YUV2BGR_NV12), ("I420", cv2.COLOR_YUV2BGR_I420)])
def test_opencv_sees_the_colours_of_a_planar_format(path, launch, name, code):
    frame = first_frame(path, launch, "videotestsrc is-live=true pattern=solid-color foreground-color=0xff105090 ! "
                        f"video/x-raw,format={name},width=64,height=48,colorimetry=bt601")
    image = cv2.cvtColor(frame.array, code).astype(int)
    assert image.shape == (48, 64, 3)
    assert np.abs(image - [COLOUR["B"], COLOUR["G"], COLOUR["R"]]).max() <= 4


@pytest.mark.parametrize("width", [64, 61, 62])
@pytest.mark.parametrize("name", ["GRAY8", "GRAY16_LE", "BGR", "ABGR64_LE", "YUY2", "NV12", "NV21", "I420"])
def test_every_byte_of_a_known_file_is_where_gstreamer_put_it(path, launch, tmp_path, name, width):
    """The file has GStreamer's own layout, padding and all, so what the planes show can be worked out from it."""
    def up(number, by):
        return -(-number // by) * by

    height = 10
    half = (height // 2, up(width, 2) // 2)
    shapes, strides = {
        "GRAY8": ([(height, width)], [up(width, 4)]),
        "GRAY16_LE": ([(height, width)], [up(2 * width, 4)]),
        "BGR": ([(height, width, 3)], [up(3 * width, 4)]),
        "ABGR64_LE": ([(height, width, 4)], [8 * width]),
        "YUY2": ([(height, up(width, 2), 2)], [up(2 * width, 4)]),
        "NV21": ([(height, width), (*half, 2)], [up(width, 4), up(width, 4)]),
        "NV12": ([(height, width), (*half, 2)], [up(width, 4), up(width, 4)]),
        "I420": ([(height, width), half, half], [up(width, 4), up(half[1], 4), up(half[1], 4)]),
    }[name]
    planes = [pattern(shape[0], stride) for shape, stride in zip(shapes, strides)]
    (tmp_path / "frame.raw").write_bytes(b"".join(plane.tobytes() for plane in planes))
    frame = first_frame(path, launch, f"multifilesrc loop=true location={tmp_path}/frame.raw ! "
                        f"rawvideoparse format={name.lower().replace('_', '-')} width={width} height={height} framerate=30/1 ! "
                        "identity sync=true")
    assert (frame.format, frame.width, frame.height) == (name, width, height)
    assert len(frame.planes) == len(shapes)
    for seen, plane, shape in zip(frame.planes, planes, shapes):
        row = int(np.prod(shape[1:])) * seen.itemsize
        assert seen.shape == shape
        assert seen.tobytes() == plane[:, :row].tobytes()


def test_what_videotestsrc_chooses_by_itself_is_an_image(path, launch):
    """Its first choice is the deepest format that there is, which differs between versions of GStreamer."""
    frame = first_frame(path, launch, "videotestsrc is-live=true ! video/x-raw,width=64,height=48")
    assert frame.format is not None
    assert {48, 64} <= set(frame.array.shape)
    assert frame.planes[0].shape[:2] == (48, 64)


def test_video_without_a_format_arrives_as_bytes(path, launch):
    frame = first_frame(path, launch, "fakesrc is-live=true do-timestamp=true sizetype=fixed sizemax=100 ! "
                        "capsfilter caps=video/x-raw,width=640,height=480")
    assert frame.format is None and frame.width == 0
    assert frame.array.shape == frame.planes[0].shape == (100,)


def test_encoded_frames_arrive_as_bytes_that_decode(path, launch):
    with shmring.Reader(path, worker="test") as reader:
        launch("videotestsrc is-live=true pattern=solid-color foreground-color=0xff105090 ! video/x-raw,width=64,height=48 ! "
               f"jpegenc ! shmringsink socket-path={path} slot-size=100000")
        frame = reader.read()
    assert frame.format is None and frame.caps.startswith("image/jpeg")
    assert bytes(frame).startswith(b"\xff\xd8")
    assert cv2.imdecode(frame.array, cv2.IMREAD_COLOR).shape == (48, 64, 3)


def test_the_times_of_a_live_stream_are_on_the_monotonic_clock(path, launch):
    frame = first_frame(path, launch, "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1")
    assert abs(frame.pts - time.monotonic_ns()) < 60e9
    assert frame.duration == pytest.approx(1e9 / 30, rel=0.01)
    assert frame.published_at >= frame.pts


def test_the_end_of_the_stream_ends_the_loop(path, launch):
    with shmring.Reader(path, worker="test") as reader:
        launch("videotestsrc num-buffers=20 ! video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1 ! clocksync ! "
               f"shmringsink socket-path={path}")
        seen = [frame.sequence for frame in reader]
    assert seen[-1] == 20 and seen == sorted(set(seen))


def test_gstreamer_reads_what_python_publishes(path, launch, tmp_path):
    images = [pattern(48, 64, 3) ^ number for number in range(4)]
    with shmring.Publisher(path, format="BGR", width=64, height=48) as publisher:
        child = launch(f"shmringsrc socket-path={path} worker=gst ! filesink location={tmp_path}/seen.raw")
        eventually(lambda: publisher.stats()["readers"] == 1)
        for image in images:
            publisher.publish(image, pts=time.monotonic_ns())
        publisher.end()
        assert child.end()[1] == 0
    assert (tmp_path / "seen.raw").read_bytes() == b"".join(image.tobytes() for image in images)


APPSINK = """
    import json, sys
    import gi, numpy as np
    gi.require_version("Gst", "1.0"); gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstVideo
    Gst.init(None)
    pipeline = Gst.parse_launch("shmringsrc name=source worker=appsink ! appsink name=sink sync=false max-buffers=5")
    pipeline.get_by_name("source").props.socket_path = sys.argv[1]
    pipeline.set_state(Gst.State.PLAYING)
    sink = pipeline.get_by_name("sink")
    while (sample := sink.emit("pull-sample")) is not None:
        info = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
        buffer = sample.get_buffer()
        with buffer.map(Gst.MapFlags.READ) as mapped:
            image = np.ndarray((info.height, info.width, 3), np.uint8, mapped.data, info.offset[0], (info.stride[0], 3, 1))
            print(json.dumps([buffer.offset, image.flags.writeable, int(image.sum()), image[1, 2].tolist()]))
    pipeline.set_state(Gst.State.NULL)
"""


@pytest.mark.parametrize("width", [64, 61])
def test_appsink_has_the_same_pixels_as_a_read_only_numpy_view(path, spawn, width):
    pytest.importorskip("gi")
    image = pattern(48, width, 3)
    with shmring.Publisher(path, format="BGR", width=width, height=48) as publisher:
        child = spawn(path, code=APPSINK)
        eventually(lambda: publisher.stats()["readers"] == 1)
        for _ in range(3):
            with publisher.loan() as loan:
                loan.array[:] = image
                publisher.publish(loan, pts=time.monotonic_ns())
        publisher.end()
        output, status = child.end()
    assert status == 0
    assert [json.loads(line) for line in output.splitlines()] == [
        [sequence, False, int(image.sum()), image[1, 2].tolist()] for sequence in (1, 2, 3)]
