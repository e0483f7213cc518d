# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metas and UTC of a frame: from GStreamer to Python, from Python to Python, and back to GStreamer."""

import datetime
import os
import time

import pytest
import shmring

ANALYTICS = shmring.Analytics(
    (
        shmring.Detection("person", -1, 2, 30, 40, 0.75, -1.5), shmring.Classes((("adult", 0.5), ("", -1.0))),
        shmring.Tracking((1 << 64) - 1, 1, 2, True), shmring.Tracking(7), shmring.Detection("", 0, 0, (1 << 31) - 1, 0), shmring.Classes(()),
    ),
    (shmring.Relation(0, 1, "contain"), shmring.Relation(0, 2, "relate-to"), shmring.Relation(1, 0, "is-part-of"), shmring.Relation(5, 5, "n-to-n")),
)
METAS = (
    shmring.Timestamp("timestamp/x-unix", 1_700_000_000_000_000_001),
    shmring.Timestamp("timestamp/x-ntp", 2, 3),
    shmring.Region("person", 1, 2, 30, 40, 7, -1, ("detection, confidence=(double)0.5;", "pose;")),
    shmring.Region("", 0, 0, 0, (1 << 32) - 1),
    shmring.CustomMeta("lens", "lens, zoom=(int)3;"),
    shmring.SerializedMeta(b"\0\xff"),
    ANALYTICS,
    shmring.Analytics(()),
)


def published(path, **more):
    """A frame that a publisher in this process published with these arguments."""
    with shmring.Publisher(path, slot_size=4) as publisher, shmring.Reader(path, worker="test") as reader:
        publisher.publish(b"data", **more)
        return reader.read()


def test_a_frame_without_metadata_has_none(path):
    frame = published(path)
    assert (frame.metadata, frame.metas, frame.captured_at) == (b"", (), None)


@pytest.mark.parametrize("own", [b"", b"lens=3", bytes(range(256)), b"x" * 4088])
def test_bytes_of_the_publisher_arrive(path, own):
    frame = published(path, metadata=own)
    assert (frame.metadata, frame.metas, frame.captured_at) == (own, (), None)


def test_metas_arrive_as_they_were_published(path):
    frame = published(path, metas=METAS, metadata=b"own")
    assert (frame.metas, frame.metadata) == (METAS, b"own")
    assert frame.captured_at == METAS[0].time


def test_a_utc_arrives_and_goes_on_with_the_metas(path):
    now = time.time_ns()
    frame = published(path, capture_utc=now, metadata=b"own")
    assert (frame.captured_at, frame.metadata) == (now, b"own")
    assert frame.metas == (shmring.Timestamp("timestamp/x-unix", now),)
    assert published(path, metas=frame.metas).captured_at == now
    assert published(path, metas=frame.metas, capture_utc=now + 1).captured_at == now + 1


def test_a_pair_of_items_may_have_several_relations(path):
    relations = tuple(shmring.Relation(0, 0, name) for name in ("is-part-of", "contain", "relate-to", "n-to-n"))
    item = shmring.Tracking(1)
    assert published(path, metas=[shmring.Analytics([item], reversed(relations))]).metas[0].relations == tuple(reversed(relations))


def test_as_many_objects_find_room_as_the_guide_says(path):
    object = shmring.Detection("person", 1, 2, 3, 4, 0.5)
    assert len(published(path, metas=[shmring.Analytics([object] * 107)]).metas[0].items) == 107
    with pytest.raises(shmring.TooLarge):
        published(path, metas=[shmring.Analytics([object] * 108)])


def test_a_loan_has_its_metadata_too(path):
    with shmring.Publisher(path, slot_size=4) as publisher, shmring.Reader(path, worker="test") as reader:
        publisher.publish(publisher.loan(), capture_utc=5, metadata=b"own")
        frame = reader.read()
        assert (frame.captured_at, frame.metadata) == (5, b"own")


def test_metadata_ends_with_the_frame(path):
    frame = published(path, metas=METAS)
    frame.release()
    for name in ("metadata", "metas", "captured_at"):
        with pytest.raises(shmring.Invalid, match="released"):
            getattr(frame, name)


@pytest.mark.parametrize(("given", "error", "says"), [
    ({"metadata": b"x" * 4089}, shmring.TooLarge, "4096"),
    ({"metas": [shmring.CustomMeta("x" * 3000, "y" * 3000)]}, shmring.TooLarge, "4096"),
    ({"metadata": "text"}, TypeError, "encode"),
    ({"metas": 3}, TypeError, ""),
    ({"metas": ["text"]}, TypeError, "Timestamp"),
    ({"metas": [shmring.Timestamp(3, 4)]}, TypeError, "Timestamp"),
    ({"metas": [shmring.Timestamp("timestamp/x-unix", -1)]}, (shmring.Invalid, OverflowError), ""),
    ({"metas": [shmring.Region("a", 0, 0, 0, 1 << 32)]}, shmring.Invalid, "height"),
    ({"metas": [shmring.Region("a", 0, 0, 0, 0, 1 << 31)]}, shmring.Invalid, "id"),
    ({"metas": [shmring.Region("a", 0, 0, 0, 0, parameters=("a\nb",))]}, shmring.Invalid, "one line"),
    ({"metas": [shmring.Detection("a", 0, 0, 0, 0)]}, TypeError, "Analytics"),
    ({"metas": [shmring.Analytics(["text"])]}, TypeError, "Detection"),
    ({"metas": [shmring.Analytics([shmring.Detection("a", 0, 0, 0, 1 << 31)])]}, shmring.Invalid, "Detection"),
    ({"metas": [shmring.Analytics([shmring.Detection("a", 0, 0, 0.5, 0)])]}, shmring.Invalid, "Detection"),
    ({"metas": [shmring.Analytics([shmring.Detection("a", 0, 0, 0, 0, "0.5")])]}, shmring.Invalid, "confidence"),
    ({"metas": [shmring.Analytics([shmring.Tracking(-1)])]}, (shmring.Invalid, OverflowError), ""),
    ({"metas": [shmring.Analytics([shmring.Tracking(1)], [(0, 1, "contain")])]}, shmring.Invalid, "0 to 0"),
    ({"metas": [shmring.Analytics([shmring.Tracking(1)], [(0, 0, "likes")])]}, shmring.Invalid, "relate-to"),
    ({"metas": [shmring.Analytics([shmring.Tracking(1)] * 114)]}, shmring.TooLarge, "4096"),
    ({"metas": [shmring.Analytics([shmring.Tracking(1)] * 70_000, [(69_999, 0, "contain")])]}, (shmring.Invalid, shmring.TooLarge), ""),
    ({"capture_utc": -1}, shmring.Invalid, "capture_utc"),
    ({"capture_utc": datetime.datetime.now(datetime.timezone.utc)}, TypeError, "capture_utc"),
])
def test_what_cannot_be_carried_is_an_error_and_no_frame(path, given, error, says):
    with shmring.Publisher(path, slot_size=4) as publisher:
        with pytest.raises(error, match=says):
            publisher.publish(b"data", **given)
        assert publisher.stats()["published"] == 0


def test_utc_regions_and_bytes_pass_through_a_pipeline(tmp_path, spawn):
    """Python, shmringsrc, shmringsink, Python, and once more: what the second reader finds is what the first publisher said."""
    sockets = [str(tmp_path / f"{name}.sock") for name in "abcd"]
    now, region = time.time_ns(), shmring.Region("person", 1, 2, 3, 4, 7, -1, ("detection, confidence=(double)0.5;",))
    for first, second in (sockets[:2], sockets[2:]):
        spawn("gst-launch-1.0", "-q", "shmringsrc", f"socket-path={first}", "!", "shmringsink", f"socket-path={second}")
    with shmring.Publisher(sockets[0], format="GRAY8", width=4, height=4) as publisher, shmring.Reader(sockets[1], "latest") as middle, \
            shmring.Publisher(sockets[2], format="GRAY8", width=4, height=4) as again, shmring.Reader(sockets[3], "latest") as reader:
        metas = [region, shmring.CustomMeta("UnknownToThatProcess", "UnknownToThatProcess, zoom=(int)3;")]
        frame = None
        while frame is None:
            publisher.publish(bytes(16), capture_utc=now, metas=metas, metadata=b"own \0\xff")
            if (between := middle.read(0.05)) is not None:
                assert between.captured_at == now
                again.publish(between, metas=between.metas, metadata=between.metadata)
                frame = reader.read(0.05)
        assert frame.metas == (shmring.Timestamp("timestamp/x-unix", now), region)
        assert (frame.captured_at, frame.metadata) == (now, b"own \0\xff")


def test_analytics_pass_through_a_pipeline_whose_gstreamer_has_them(tmp_path, spawn):
    """Before GStreamer 1.24, and without its library, the frame goes on alone."""
    first, second = str(tmp_path / "a.sock"), str(tmp_path / "b.sock")
    spawn("gst-launch-1.0", "-q", "shmringsrc", f"socket-path={first}", "!", "shmringsink", f"socket-path={second}")
    known = ANALYTICS._replace(items=tuple(item._replace(rotation=0.0) if isinstance(item, shmring.Detection) else item for item in ANALYTICS.items),
                               relations=ANALYTICS.relations[:3])
    with shmring.Publisher(first, format="GRAY8", width=4, height=4) as publisher, shmring.Reader(second, "latest") as reader:
        frame = None
        while frame is None:
            publisher.publish(bytes(16), capture_utc=5, metas=[known])
            frame = reader.read(0.05)
    assert frame.captured_at == 5
    assert frame.metas[1:] == ((known,) if gstreamer_has_analytics() else ())


def gstreamer_has_analytics():
    """As the elements were built: meson says so where it runs the tests."""
    return bool(os.environ.get("GST_ANALYTICS"))


def test_bytes_that_are_no_records_stay_behind_and_the_frame_goes_on(tmp_path, spawn):
    first, second = str(tmp_path / "a.sock"), str(tmp_path / "b.sock")
    spawn("gst-launch-1.0", "-q", "shmringsrc", f"socket-path={first}", "!", "shmringsink", f"socket-path={second}")
    with shmring.Publisher(first, format="GRAY8", width=4, height=4) as publisher, shmring.Reader(second) as reader:
        frame = None
        while frame is None:
            publisher.publish(bytes(16), metas=[shmring.CustomMeta("lens", "no { structure"), shmring.SerializedMeta(b"\xff" * 20)])
            frame = reader.read(0.05)
        assert frame.metas == ()
