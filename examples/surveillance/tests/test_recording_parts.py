# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorder's parts without a ring: what is read from the file, what is held, what triggers choose, what is kept."""

import errno
import itertools
import json
import os
import threading

import pytest
from surveillance import trigger as event
from surveillance.policy import Level
from surveillance.recording import config, sidecar
from surveillance.recording.config import Limits
from surveillance.recording.disk import FIRST_WAIT, HANGS, LONGEST_WAIT, Disk
from surveillance.recording.plan import LISTED, WAITING, Plans, Trigger
from surveillance.recording.reel import Frame, Reel
from surveillance.recording.retention import Retention, name_of, unused

# The file


def test_what_is_not_said_has_a_bounded_default():
    recording = config.parse({}, {})
    assert recording.limits == Limits(10 * 10**9, 7 * 86400, 10**9)
    assert recording.clips.limits.keep_free < recording.limits.keep_free  # on one disk, segments make room for clips
    assert (recording.segment, recording.level, recording.clips.before) == (300.0, Level.HIGH, 5.0)
    assert config.parse({}, None).clips is None
    assert config.parse(None, {}).segment == 0


def test_sizes_and_times_are_read_with_their_units():
    recording = config.parse({"max-size": "1.5 GB", "max-age": "12h", "segment": 90, "memory": 2_000_000}, None)
    assert (recording.limits.size, recording.limits.age, recording.segment, recording.memory) == (
        1_500_000_000, 43200, 90, 2_000_000)


@pytest.mark.parametrize("recorder, clips, sentence", [
    ({"max-size": "20 G"}, None, r"\[recorder\]: max-size = '20 G': bytes, or a text such as \"20 GB\""),
    ({"max-size": 0}, None, "max-size = 0"),
    ({"max-size": True}, None, "max-size = True"),
    ({"keep-free": 0}, None, "keep-free = 0"),
    ({"max-age": "nan s"}, None, "max-age"),
    ({"max-age": float("nan")}, None, "max-age = nan"),
    ({"segment": "-1 s"}, None, "segment"),
    ({"segment": 0}, None, "nothing to record"),
    ({"encode": ""}, None, "encode = ''"),
    ({"folder": "../elsewhere"}, None, "a folder below the output folder"),
    ({"folder": "x"}, {"folder": "./x"}, "the same folder"),
    ({"depth": 1.5}, None, "a whole number"),
    ({"restarts": -1}, None, "restarts = -1"),
    ({"level": "vital"}, None, "level = 'vital': one of critical, high"),
    ({"segmnet": 3}, None, r"\[recorder\]: unknown key 'segmnet'"),
    ({}, {"before": "40 s", "after": "40 s"}, "longest is shorter"),
    ({}, {"per-hour": 0}, "per-hour = 0"),
    ({}, {"pre-roll": 3}, r"\[clips\]: unknown key 'pre-roll'"),
    (None, None, "nothing to record"),
    ([], None, "must be a table"),
])
def test_a_mistake_is_told_in_a_sentence(recorder, clips, sentence):
    with pytest.raises(config.RecordingError, match=sentence):
        config.parse(recorder, clips)


# The reel


def frame(number, at=None, key=True, size=10, seq=None):
    at = float(number) if at is None else at
    return Frame(number, number if seq is None else seq, at, 1e9 + at, key, 0, size, None, None)


def reel_of(numbers, seconds=100.0, most_bytes=10**6, keys=1):
    reel = Reel(seconds, most_bytes)
    for number in numbers:
        reel.append(frame(number, key=number % keys == 0 or keys == 1))
    return reel


def test_the_reel_holds_its_seconds_and_begins_with_a_key_frame():
    reel = reel_of(range(1, 101), seconds=10.0, keys=4)
    oldest = reel.oldest()
    assert oldest.key and oldest.at <= 90.0 and oldest.at > 86.0  # the group of 4 that has second 90
    assert reel.start_for(95.5) == 92  # its key frame
    assert reel.start_for(0.0) == oldest.number  # what there is


def test_the_reel_never_holds_more_bytes_than_it_may():
    reel = reel_of(range(1, 101), most_bytes=55)
    assert reel.bytes == 50 and reel.oldest().number == 96
    reel.append(frame(101, size=10**6))  # one frame is always there
    assert (reel.bytes, reel.oldest().number) == (10**6, 101)


def test_a_late_writer_gets_the_oldest_frame_that_is_left():
    reel = reel_of(range(1, 101), most_bytes=50)
    assert reel.take(1, 0).number == 96
    assert reel.take(100, 0).number == 100
    assert reel.take(101, 0) is None


def test_a_writer_sleeps_until_its_frame_comes_or_none_will():
    reel = reel_of([1])
    threading.Timer(0.05, lambda: reel.append(frame(2))).start()
    assert reel.take(2, 30).number == 2
    threading.Timer(0.05, reel.end).start()
    assert reel.take(3, 30) is None and reel.ended


def test_a_frame_is_found_by_its_number_in_the_ring_of_the_newest_publisher():
    reel = Reel(100.0, 10**6)
    for number, seq in enumerate([0, 7, 8, 0], start=1):
        reel.append(frame(number, seq=seq))
    assert reel.find(7).number == 2 and reel.find(8).number == 3
    assert reel.find(9) is None and reel.find(0) is None
    for number, seq in enumerate([1, 7], start=5):  # the publisher was started again, and its frame 8 is on its way
        reel.append(frame(number, seq=seq))
    assert reel.find(7).number == 6 and reel.find(8) is None


# Triggers


class Choice(Plans):
    def __init__(self, before=5, after=5, longest=30, per_hour=3600):
        super().__init__(before, after, longest, per_hour)

    def trigger(self, at, now=None, held_since=0.0):
        return super().trigger(Trigger("person", "person", float(at), 1e9 + at), at if now is None else now, held_since)


def test_a_trigger_keeps_the_seconds_before_and_after_it():
    made = Choice()
    kept = made.trigger(100, now=100)
    assert (kept.begin, kept.until, kept.count, kept.cut) == (95, 105, 1, False)
    assert not made.finished(kept, 105) and made.finished(kept, 105.1)
    assert made.next() is None


def test_overlapping_triggers_are_one_clip():
    made = Choice()
    kept = made.trigger(100, now=100)
    assert made.trigger(108, now=108) is kept  # its 5 s before reach into the clip
    assert (kept.begin, kept.until, kept.count) == (95, 113, 2)
    assert made.trigger(101, now=109) is kept and kept.until == 113  # of a slow worker


def test_triggers_that_never_end_give_clips_of_the_full_length_one_after_the_other_without_overlap():
    made = Choice()
    for second in range(100, 200):
        made.trigger(second, now=second)
    got = []
    while kept := made.next():
        got.append((kept.begin, kept.until, kept.continues))
        made.finished(kept, float("inf"))
    assert got == [(95, 125, False), (125, 155, True), (155, 185, True), (185, 204, True)]


def test_a_trigger_that_came_before_its_frame_was_encoded_gets_the_frames_time():
    made = Choice()
    kept = made.trigger(100, now=100)
    for sequence, known in ((7, False), (8, True), (9, False), (0, False)):
        kept.add(Trigger("person", "person", 100.5, 1e9, sequence, found_frame=known), 5.0)
    for sequence, at in ((7, 100.25), (8, 100.75), (0, 101.0)):
        kept.keep(sequence, at, 1e9 + at)
    assert [trigger.at for trigger in kept.placed()] == [100, 100.25, 100.5, 100.5, 100.5]
    assert kept.placed()[1].utc == 1e9 + 100.25


def test_a_thousand_triggers_at_once_are_one_clip_which_lists_some_and_counts_all():
    made = Choice()
    kept = [made.trigger(100 + number / 1000, now=101) for number in range(1000)]
    assert len({id(one) for one in kept}) == 1
    assert kept[0].count == 1000 and len(kept[0].triggers) == LISTED


def test_a_trigger_whose_time_is_in_a_finished_clip_needs_no_new_one():
    made = Choice()
    made.finished(made.trigger(100, now=100), 106)
    assert made.trigger(99, now=107) is None and (made.covered, made.refused) == (1, 0)
    after = made.trigger(102, now=108)
    assert (after.begin, after.until, after.continues) == (105, 107, True)


def test_more_clips_than_the_budget_allows_are_refused_and_counted_and_it_fills_again():
    made = Choice(per_hour=6)

    def kept(at):
        got = made.trigger(at, now=at)
        if got:
            made.finished(got, float("inf"))
        return got is not None

    assert [kept(50.0 * number) for number in range(8)] == [True] * 6 + [False] * 2
    assert made.refused == 2
    assert all(kept(10_000 + 600 * number) for number in range(8))


def test_clips_wait_in_a_bounded_line():
    made = Choice(before=0, after=0)
    assert [made.trigger(10 * number, now=0) is not None for number in range(WAITING + 2)] == (
        [True] * WAITING + [False] * 2)


def test_what_is_not_held_any_more_is_refused():
    made = Choice()
    assert made.trigger(100, held_since=105.5) is None and made.refused == 1
    assert made.trigger(100, held_since=104).begin == 95


def test_what_could_not_be_written_counts_as_refused_and_covers_nothing():
    made = Choice()
    made.refuse(made.trigger(100, now=100))
    assert made.refused == 1 and made.trigger(100, now=101).begin == 95


# Names and limits


def test_names_are_utc_and_sort_by_time():
    names = [name_of(utc) for utc in (0.0, 1795573923.0004, 1795573923.9996, 1795573925.5)]
    assert names == sorted(names)
    assert names[1:3] == ["20261125T023203.000Z", "20261125T023204.000Z"]
    assert name_of(0.0, "a/../b: fall!") == "19700101T000000.000Z-a-b-fall"


def test_a_clock_that_was_set_back_overwrites_nothing(tmp_path):
    name = name_of(1e9)
    (tmp_path / f"{name}.mkv").touch()
    assert unused(tmp_path, name) == f"{name}.2"
    assert unused(tmp_path, name_of(2e9)) == name_of(2e9)


class Clocks:
    def __init__(self):
        self.monotonic, self.utc = 5000.0, 1.8e9

    def passes(self, seconds):
        self.monotonic += seconds
        self.utc += seconds


@pytest.fixture
def clocks():
    return Clocks()


def keeps(folder, clocks, size=10**9, age=10**6, keep_free=0):
    return Retention(folder, Limits(size, age, keep_free), lambda: clocks.monotonic, lambda: clocks.utc)


def file(folder, clocks, size=4096, label="", suffix="mkv"):
    path = folder / f"{name_of(clocks.utc, label)}.{suffix}"
    path.write_bytes(bytes(size))
    os.utime(path, (clocks.utc, clocks.utc))
    return path


def test_the_oldest_goes_when_the_folder_is_too_large(tmp_path, clocks):
    kept = keeps(tmp_path, clocks, size=3 * 4096)
    paths = []
    for _ in range(5):
        clocks.passes(10)
        paths.append(file(tmp_path, clocks))
        kept.apply()
    assert sorted(tmp_path.iterdir()) == paths[2:]
    assert (kept.count, kept.bytes, kept.deleted) == (3, 3 * 4096, 2)


def test_what_is_too_old_goes(tmp_path, clocks):
    kept = keeps(tmp_path, clocks, age=100)
    file(tmp_path, clocks)
    clocks.passes(60)
    young = file(tmp_path, clocks)
    clocks.passes(60)
    kept.apply()
    assert list(tmp_path.iterdir()) == [young]


def test_a_clock_that_is_set_neither_deletes_nor_keeps_anything(tmp_path, clocks):
    kept = keeps(tmp_path, clocks, age=100)
    first = file(tmp_path, clocks)
    kept.apply()
    clocks.utc += 50 * 365 * 86400  # 1976 → now
    clocks.monotonic += 50
    second = file(tmp_path, clocks)
    kept.apply()
    assert kept.count == 2
    clocks.utc -= 20 * 365 * 86400
    clocks.monotonic += 60
    kept.apply()
    assert not first.exists() and second.exists()


def test_a_future_time_of_a_file_is_not_believed(tmp_path, clocks):
    clocks.utc += 10**8
    path = file(tmp_path, clocks)
    clocks.utc -= 10**8
    kept = keeps(tmp_path, clocks, age=100)
    kept.apply()
    clocks.passes(101)
    kept.apply()
    assert not path.exists()


def test_what_is_being_written_and_what_others_put_there_is_never_deleted(tmp_path, clocks):
    kept = keeps(tmp_path, clocks, size=1, age=1)
    others = [tmp_path / name for name in ("notes.txt", "holiday.mkv", "x20261125T023203.000Z.mkv")]
    for path in others:
        path.write_bytes(bytes(8192))
    (tmp_path / "20200101T000000.000Z.mkv").symlink_to(tmp_path / "notes.txt")
    writing = file(tmp_path, clocks)
    clocks.passes(100)
    kept.apply(writing=writing.stem)
    assert all(path.exists() for path in [*others, writing])


def test_a_clip_goes_with_its_sidecar(tmp_path, clocks):
    kept = keeps(tmp_path, clocks, age=100)
    file(tmp_path, clocks, label="person")
    file(tmp_path, clocks, label="person", suffix="json")
    kept.apply()
    assert kept.count == 1
    clocks.passes(101)
    kept.apply()
    assert not any(tmp_path.iterdir())


def test_free_space_is_made_and_where_that_is_not_enough_it_is_said(tmp_path, clocks, monkeypatch):
    free = itertools.count(1)  # a megabyte more with each file that goes

    class Disk:
        f_frsize = 10**6

        @property
        def f_bavail(self):
            return next(free)

    monkeypatch.setattr(os, "statvfs", lambda path: Disk())
    for _ in range(3):
        clocks.passes(1)
        file(tmp_path, clocks)
    kept = keeps(tmp_path, clocks, keep_free=3 * 10**6)
    kept.apply()
    assert (kept.count, kept.deleted) == (1, 2)
    kept = keeps(tmp_path, clocks, keep_free=100 * 10**6)
    with pytest.raises(OSError, match="keep-free is 100 MB") as error:
        kept.apply()
    assert error.value.errno == errno.ENOSPC and kept.count == 0


def test_a_start_cleans_up_what_a_killed_process_left(tmp_path, clocks):
    whole, empty = file(tmp_path, clocks, label="whole"), file(tmp_path, clocks, size=0)
    for name in (".20261125T023203.000Z-person.mkv.part", ".20261125T023203.000Z-person.json.part"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".keep").touch()
    keeps(tmp_path, clocks).clean()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep", whole.name] and not empty.exists()


def test_what_only_has_a_recorders_name_is_left_alone_and_in_no_way(tmp_path, clocks):
    whole = file(tmp_path, clocks)
    strangers = [tmp_path / name for name in ("20251125T023203.000Z.mkv", "20251125T023204.000Z.mkv", "20251125T023205.000Z.mkv",
                                              ".20251125T023206.000Z.mkv.part", ".20251125T023207.000Z.mkv.part")]
    strangers[0].mkdir()
    os.mkfifo(strangers[1])
    strangers[2].symlink_to(tmp_path / "nothing")
    strangers[3].mkdir()
    strangers[4].symlink_to("/dev/zero")
    kept = keeps(tmp_path, clocks, age=1.0)
    kept.clean()
    clocks.passes(100)
    kept.apply()
    assert not whole.exists() and kept.count == 0 and all(os.path.lexists(path) for path in strangers)


def test_a_sidecar_replaces_a_fifo_of_its_temporary_name(tmp_path):
    os.mkfifo(tmp_path / ".x.json.part")
    sidecar.write(tmp_path / "x.json", {"label": "a\ud800b"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"label": "a?b"}


# The disk


def test_a_disk_that_fails_is_asked_again_after_ever_longer_and_is_well_when_it_works(clocks):
    told = []
    disk = Disk(lambda *change: told.append(change), lambda: clocks.monotonic)
    waits = []
    for _ in range(9):
        disk.failed(OSError(errno.ENOSPC, "No space left on device"))
        begin = clocks.monotonic
        while not disk.may_try():
            clocks.passes(0.25)
        waits.append(clocks.monotonic - begin)
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT] and waits[-1] == LONGEST_WAIT
    disk.works()
    assert told == [("full", "No space left on device"), ("ok", "")] and disk.failures == 9


@pytest.mark.parametrize("number, state", [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EROFS, "read-only"),
                                           (errno.EACCES, "failed"), (errno.EIO, "failed")])
def test_the_disks_answer_has_a_name(number, state):
    disk = Disk()
    disk.failed(OSError(number, os.strerror(number)))
    assert (disk.state, disk.error) == (state, os.strerror(number))


def test_a_disk_that_does_not_answer_is_seen_from_outside(clocks):
    disk = Disk(monotonic=lambda: clocks.monotonic)
    with disk.call():
        clocks.passes(HANGS + 1)
        assert disk.state == "hangs"
    assert disk.state == "ok"


# The sidecar


def test_a_sidecar_is_whole_or_not_there(tmp_path):
    sidecar.write(tmp_path / "a.json", {"label": "Sturz Ä"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"label": "Sturz Ä"}
    sidecar.write(tmp_path / "a.json", {"boxes": [[1, -2, 3, 4], [5, 6, 7, 8]], "text": "[9,  9]", "none": []})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"boxes": [[1, -2, 3, 4], [5, 6, 7, 8]], "text": "[9,  9]", "none": []}
    assert "    [1, -2, 3, 4],\n" in text
    with pytest.raises(TypeError):
        sidecar.write(tmp_path / "b.json", {"label": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_times_in_a_sidecar_are_utc_to_the_microsecond():
    assert sidecar.utc(1795573923.25) == "2026-11-25T02:32:03.250000Z"


# Detections that make an event


def test_one_lucky_guess_is_no_event_and_what_lasts_is_one_in_a_while():
    now = [0.0]
    watch = event.Trigger("person", least=2, of=3, every=2.0, clock=lambda: now[0])

    def saw(found):
        now[0] += 0.5
        return watch.saw(found)

    assert [saw(found) for found in (True, False, False, True)] == [False] * 4
    assert [saw(found) for found in (True, True, True, True, True)] == [True, False, False, False, True]
    assert not saw(False) and saw(True) is False
