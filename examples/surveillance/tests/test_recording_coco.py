# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file of objects beside a recording: its form, its bounds, and what belongs to which frame."""

import json

import coco_check
import pytest
from surveillance.recording import coco, config
from surveillance.recording.config import Limits
from surveillance.recording.reel import Frame, Seen
from surveillance.recording.retention import Retention


class Caps:
    """640×360, as Gst.Caps says it."""

    def to_string(self):
        return "image/jpeg, width=(int)640, height=(int)360, max-width=(int)1, framerate=(fraction)25/1"


def frame(number, objects=None):
    return Frame(number, 100 + number, 10 + number / 10, 1e9 + number / 10, True, 0, 10, None, Caps(), objects)


def seen(label, *box, worker="person", track=None, score=0.5):
    return Seen(worker, label, score, box, track)


def saved(folder, frames):
    made = coco.Coco(frames[0])
    for one in frames:
        made.add(one)
    made.save(folder / "20261125T023812.480Z-person.mkv", "front", "gst-frame-supplier 0")
    path, = folder.iterdir()  # nothing else is left
    assert path.name == "20261125T023812.480Z-person.coco.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    coco_check.check(content)
    return content


def test_every_frame_that_a_worker_looked_at_is_an_image_with_its_objects(tmp_path):
    content = saved(tmp_path, [
        frame(1, (seen("person", 1, 2, 30, 40, track=7), seen("dog", 600, 300, 40, 60))), frame(2), frame(3, ()),
        frame(4, (seen("person", 3.25, 2, 30, 40.5),))])
    assert coco_check.found(content) == {101: [("person", 1, 2, 30, 40), ("dog", 600, 300, 40, 60)], 103: [],
                                         104: [("person", 3.25, 2, 30, 40.5)]}
    assert [(image["frame_id"], image["file_name"], image["at"]) for image in content["images"]] == [
        (0, "000000.jpg", 0.0), (2, "000002.jpg", 0.2), (3, "000003.jpg", 0.3)]  # of a frame without a result nothing is said
    assert content["videos"] == [{"id": 1, "name": "20261125T023812.480Z-person.mkv", "width": 640, "height": 360, "frames": 4}]
    first, second, third = content["annotations"]
    assert (first["track_id"], first["worker"], first["score"]) == (7, "person", 0.5) and "track_id" not in second
    assert third["area"] == 30 * 40.5
    assert content["images"][0]["date_captured"] == "2001-09-09T01:46:40.100000Z"


def test_a_file_without_objects_is_one_too(tmp_path):
    content = saved(tmp_path, [frame(1), frame(2)])
    assert content["images"] == content["annotations"] == content["categories"] == []


def test_labels_of_all_kinds_are_kept(tmp_path):
    labels = ['a "b"', "Fußgänger", "\\", "\u2028", "x" * 63]
    content = saved(tmp_path, [frame(1, tuple(seen(label, 0, 0, 1, 1) for label in labels))])
    assert [entry["name"] for entry in content["categories"]] == labels


def test_what_is_too_much_is_left_out_by_whole_images_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "MOST", 5)
    two = (seen("person", 0, 0, 1, 1), seen("person", 5, 5, 1, 1))
    content = saved(tmp_path, [frame(number, two) for number in range(1, 5)])
    assert len(content["images"]) == 2 and len(content["annotations"]) == 4 and content["info"]["images_left_out"] == 2


def test_a_disk_that_takes_nothing_leaves_no_half_file(tmp_path):
    made = coco.Coco(frame(1))
    with pytest.raises(OSError):
        made.save(tmp_path / "none" / "x.mkv", "front", "")
    (tmp_path / "x.coco.json").mkdir()
    with pytest.raises(OSError):
        made.save(tmp_path / "x.mkv", "front", "")
    assert [path.name for path in tmp_path.iterdir()] == ["x.coco.json"]


def test_a_file_of_objects_goes_with_its_recording(tmp_path):
    kept = Retention(tmp_path, Limits(13_000, 1e9, 1), monotonic=lambda: 100.0)
    for name in ("20261125T023812.480Z", "20261125T023912.480Z"):
        for suffix in ("mkv", "coco.json", "json"):
            (tmp_path / f"{name}-a.{suffix}").write_bytes(bytes(4096))
    (tmp_path / "notes.coco.json").write_bytes(bytes(4096))  # another program's
    kept.apply()
    assert (kept.count, kept.bytes, kept.deleted) == (1, 3 * 4096, 1)
    assert len(list(tmp_path.glob("2026*Z-a.*"))) == 3 and (tmp_path / "notes.coco.json").exists()
    (tmp_path / ".20261125T023812.480Z.coco.json.part").write_bytes(b"half")
    kept.clean()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("table, sentence", [
    ({"objects": ["person", "dog"]}, "objects = 'dog': no worker of the camera is called so, but 'person', 'motion'"),
    ({"objects": "person"}, "objects = 'person': a list of workers, each once, or true"),
    ({"objects": ["person", "person"]}, "each once"),
    ({"boxes": True}, "`objects` must say whose"),
    ({"objects": True, "boxes": "yes"}, "boxes = 'yes': true or false"),
    ({"objects": True, "wait": 0}, "wait = 0"),
    ({"objects": True, "wait": "2 min"}, "wait = '2 min'"),
])
def test_a_mistake_is_told_in_a_sentence(table, sentence):
    with pytest.raises(config.RecordingError, match=sentence):
        config.parse(table, None, ["person", "motion"])


def test_true_is_all_workers_and_nothing_waits_without():
    assert config.parse({"objects": True, "wait": "1 s"}, None, ["person", "motion"]).objects == ("person", "motion")
    assert config.parse({"objects": ["motion"], "boxes": True}, None, ["person", "motion"]).boxes
    assert config.parse({}, None, ["person"]).objects == ()
