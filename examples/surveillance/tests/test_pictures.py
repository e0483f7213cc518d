# SPDX-License-Identifier: LGPL-2.1-or-later
"""The detectors on pictures whose content is known, the album, the contact sheet, and the clip's package."""

import gzip
import os
import subprocess

import cv2
import numpy as np
import pytest
from surveillance import clip, sheet
from surveillance.album import PAGES, Album, Detection, annotate
from surveillance.jpeg import sequence_of, with_sequence


def grass(shift=0):
    texture = np.random.default_rng(7).integers(60, 200, (288, 384 + 64, 3), np.uint8)
    return cv2.GaussianBlur(texture, (0, 0), 2)[:, shift:shift + 384].copy()


def with_ball(left, shift=0):
    image = grass(shift)
    cv2.circle(image, (left, 150), 20, (255, 255, 255), -1)
    return image


def test_motion_is_found_where_it_is_and_only_there():
    from surveillance.workers.motion import Motion
    motion = Motion()
    for _ in range(20):
        assert motion.look(grass())[0] == []
    found, _ = motion.look(with_ball(200))
    assert len(found) == 1
    left, top, width, height = found[0].box
    assert left <= 200 <= left + width and top <= 150 <= top + height


def test_flow_finds_what_moved_between_two_frames():
    from surveillance.workers.flow import Flow
    flow = Flow()
    before = grass()
    after = before.copy()
    after[100:200, 158:258] = before[100:200, 150:250]  # a patch of 100 x 100 moves 8 pixels to the right
    assert flow.look(before) == ([], None)
    found, picture = flow.look(after)
    assert picture.shape == after.shape
    largest = max(found, key=lambda detection: detection.box[2] * detection.box[3])
    assert largest.score == pytest.approx(8, abs=2)
    assert largest.box[0] < 208 < largest.box[0] + largest.box[2]


def test_no_person_is_seen_in_an_empty_picture():
    from surveillance.workers.person import Person
    assert Person().look(np.full((288, 384, 3), 90, np.uint8)) == ([], None)


def test_the_newest_picture_is_kept_once_a_second_whatever_was_found(tmp_path):
    clock = iter([0.0, 0.5, 1.1])
    album = Album("w", str(tmp_path), every=2, clock=lambda: next(clock))
    image = np.full((576, 1280, 3), 90, np.uint8)
    assert [album.show(image, 7 + step) for step in range(3)] == [True, False, True]
    assert cv2.imread(str(tmp_path / "w.jpg")).shape == (288, 640, 3)
    assert sequence_of((tmp_path / "w.jpg").read_bytes()) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["w.jpg"]
    assert sheet.newest(tmp_path, "w", 10) == []  # no page of the album


@pytest.mark.parametrize("picture", [b"", b"\xff\xd8", b"\xff\xd8\xff\xfe", b"\xff\xd8\xff\xfe\x00\x00",
                                     b"\xff\xd8\xff\xfe\x00\x0aframe -1", b"\xff\xd8\xff\xe0\x00\x09frame 1", b"GIF89a"])
def test_a_picture_that_does_not_say_its_frame_has_none(picture):
    assert sequence_of(picture) is None
    assert sequence_of(with_sequence(picture, 2**64 - 1)) == 2**64 - 1


def test_a_disk_that_takes_nothing_costs_a_picture_only(tmp_path):
    album = Album("w", str(tmp_path / "gone"), every=2)
    assert not album.show(grass(), 1)
    assert not album.offer(grass(), [Detection((10, 10, 50, 90), "person", 1.0)])


def test_the_frame_itself_is_never_drawn_on():
    frame = grass()
    frame.setflags(write=False)
    drawn = annotate(frame, [Detection((10, 10, 50, 90), "person", 1.0)])
    assert drawn is not frame and (drawn != frame).any()


def test_the_album_keeps_the_best_picture_of_each_stretch(tmp_path):
    now = [0.0]
    album = Album("w", str(tmp_path), 1.0, lambda: now[0])
    sure, unsure = [Detection((0, 0, 9, 9), "person", 2.0)], [Detection((0, 0, 9, 9), "person", 1.0)]
    assert not album.offer(grass(), [])
    assert album.offer(grass(), unsure)
    assert album.offer(grass(), sure)
    assert not album.offer(grass(), unsure)
    now[0] = 1.0
    assert album.offer(grass(), unsure)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_album_never_grows_beyond_its_pages(tmp_path):
    now = [0.0]
    album = Album("w", str(tmp_path), 1.0, lambda: now[0])
    for second in range(3 * PAGES):
        now[0] = float(second)
        album.offer(grass(), [Detection((0, 0, 9, 9), "person", 1.0)])
    assert len(list(tmp_path.iterdir())) == PAGES


def test_the_sheet_shows_every_worker_and_says_who_found_nothing(tmp_path):
    album = Album("person", str(tmp_path), 1.0, lambda: 0.0)
    album.offer(grass(), [Detection((0, 0, 9, 9), "person", 1.0)])
    (tmp_path / "flow-00.jpg").write_bytes(b"no picture")
    assert sheet.make(tmp_path, {"person": "person: 1", "flow": "flow"}, tmp_path / "sheet.png") == 1
    picture = cv2.imread(str(tmp_path / "sheet.png"))
    assert picture.shape == (2 * sheet.HEADING + sheet.TILE[1], sheet.COLUMNS * sheet.TILE[0], 3)


@pytest.mark.parametrize("packed", [False, True])
def test_the_clip_is_taken_out_of_its_package(tmp_path, packed):
    content = b"RIFF" + bytes(5000)
    data = tmp_path / "tree/usr/share/doc/opencv-doc/examples/data"
    data.mkdir(parents=True)
    (data / (clip.NAME + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    control = tmp_path / "tree/DEBIAN/control"
    control.parent.mkdir()
    control.write_text("Package: opencv-doc\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y.z>\nDescription: x\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tmp_path / "tree", tmp_path / "p.deb"],
                   check=True, stdout=subprocess.DEVNULL)
    path, why = clip.unpack(tmp_path / "p.deb", tmp_path / "out" / clip.NAME)
    assert (path.read_bytes(), why) == (content, "")
    assert [entry.name for entry in path.parent.iterdir()] == [clip.NAME]


def test_a_package_without_the_clip_says_so(tmp_path):
    (tmp_path / "p.deb").write_bytes(b"not a package")
    path, why = clip.unpack(tmp_path / "p.deb", tmp_path / clip.NAME)
    assert path is None and clip.NAME in why


def test_fifos_and_links_in_place_of_pictures_and_clip_are_not_waited_for(tmp_path):
    album, grey = tmp_path / "album", np.full((60, 80, 3), 90, np.uint8)
    album.mkdir()
    for name in ("w.jpg", ".w.jpg.new", "w-00.jpg", "w-01.jpg", "vtest.avi", "sheet.png"):
        os.mkfifo(album / name)
    (album / "w-02.jpg").symlink_to(album / "nothing")
    (album / "w-03.jpg").symlink_to("/dev/zero")
    assert Album("w", album, 1.0).show(grey, 1)
    assert cv2.imread(str(album / "w.jpg")).shape == grey.shape
    assert sheet.make(album, {"w": "w", "[*": "odd"}, album / "sheet.png") == 0
    assert cv2.imread(str(album / "sheet.png")) is not None
    assert clip.unpack(tmp_path / "no package", album / "vtest.avi")[0] is None


def test_a_clip_that_cannot_be_had_for_whatever_reason_is_a_sentence(tmp_path, monkeypatch):
    def bad():
        path = tmp_path / "vtest.avi.gz"
        path.write_bytes(gzip.compress(b"x" * 1000)[:-9])
        return path
    monkeypatch.setattr(clip, "_installed", bad)
    path, why = clip.fetch(tmp_path / "new")
    assert path is None and why
    (tmp_path / "vtest.avi").mkdir()
    assert clip.fetch(tmp_path)[0] is None


@pytest.mark.parametrize("ends_well", [True, False])
def test_how_much_the_clip_takes_is_said_before_it_is_fetched(tmp_path, monkeypatch, ends_well):
    (tmp_path / "apt-get").write_text(f"""#!/bin/sh
case "$*" in
  *print-uris*) echo "'http://x/opencv-doc_1_all.deb' opencv-doc_1_all.deb 95715012 SHA256:0" ;;
  *) head -c 3000000 /dev/zero >opencv-doc_1_all.deb
     until [ -e {tmp_path}/said ]; do sleep 0.05; done
     echo "E: the mirror went away" >&2; exit {0 if ends_well else 100} ;;
esac
""")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(clip, "LINE_EVERY", 0.05)
    monkeypatch.setattr(clip, "_installed", lambda: None)
    lines = []

    def tell(line):
        lines.append(line)
        if "… 3 of" in line:
            (tmp_path / "said").touch()

    path, why = clip.fetch(tmp_path / "new", tell)
    assert lines[0] == "fetching the clip of pedestrians, once: 96 MB, in Debian's package opencv-doc"
    assert lines[-1] == "    … 3 of 96 MB"
    assert path is None
    assert ("looking for vtest.avi" if ends_well else "E: the mirror went away") in why
