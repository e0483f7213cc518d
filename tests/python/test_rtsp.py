# SPDX-License-Identifier: LGPL-2.1-or-later
"""UTC of an RTSP camera: what its sender reports say about a frame is what a reader of the ring finds as `captured_at`."""

import pytest
import shmring

# Each picture has the UTC of its PTS in its first bytes. The clocks are read three times, as a thread may be suspended between them.
CAMERA = """
import threading, time, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
INTERVAL = 200_000_000

def readings(clock):
    before = time.time_ns()
    running = clock.get_time()
    after = time.time_ns()
    return after - before, (before + after) // 2, running

def send(media):
    source = media.get_element().get_by_name("source")
    while source.get_clock() is None or source.get_base_time() == 0:
        time.sleep(0.01)
    while True:
        _, utc, now = min(readings(source.get_clock()) for _ in range(3))
        picture = Gst.Buffer.new_wrapped(utc.to_bytes(8, "little") + bytes(16 * 16 * 3 - 8))
        picture.pts = now - source.get_base_time()
        picture.duration = INTERVAL
        if source.emit("push-buffer", picture) != Gst.FlowReturn.OK:
            return
        time.sleep(INTERVAL / 1e9)

factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_shared(True)
factory.set_launch("( appsrc name=source is-live=true format=time caps=video/x-raw,format=RGB,width=16,height=16,framerate=5/1 "
                   "! rtpvrawpay name=pay0 )")
factory.connect("media-configure", lambda _, media: threading.Thread(target=send, args=(media,), daemon=True).start())
server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service("0")
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
print(server.get_bound_port())
GLib.MainLoop().run()
"""


def test_the_utc_of_an_rtsp_camera_is_captured_at(path, spawn):
    """Within 1 ms; RTP counts in 11 µs. A sender that is suspended while it reads its clocks misjudges one report, not all."""
    gi = pytest.importorskip("gi")
    try:
        gi.require_version("GstRtspServer", "1.0")
    except ValueError:
        pytest.skip("GstRtspServer is not there: install gir1.2-gst-rtsp-server-1.0")
    port = spawn(code=CAMERA).line()
    spawn("gst-launch-1.0", "-q", "rtspsrc", f"location=rtsp://127.0.0.1:{port}/camera", "protocols=tcp",
          "add-reference-timestamp-meta=true", "!", "rtpvrawdepay", "!", "shmringsink", f"socket-path={path}")
    seen = []
    with shmring.Reader(path, worker="test") as reader:
        for frame in reader:  # the first reports come after some seconds, the watchdog after sixty
            sent = int.from_bytes(frame.array[0].tobytes()[:8], "little")
            seen.append(frame.captured_at and frame.captured_at - sent)
            if seen[-1] is not None and abs(seen[-1]) < 1_000_000:
                return
    pytest.fail(f"the stream ended; differences: {seen}")
