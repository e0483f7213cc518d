# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorder as the process it is, on a real ring: its files are played again, and the frames tell their own numbers."""

import os
import signal
import subprocess
import sys
import time

import pytest
import shmring
from recording_rig import Camera, Recorder, eventually, play
from surveillance import channel
from surveillance.recording import config


@pytest.fixture
def camera(tmp_path):
    made = Camera(str(tmp_path / "ring"))
    yield made
    made.end()


@pytest.fixture
def recorder(tmp_path):
    started = []

    def start(recorder=None, clips=None, folder=None):
        started.append(Recorder(str(tmp_path / "ring"), folder or tmp_path / "kept", recorder, clips))
        return started[-1]

    yield start
    for one in started:
        one.close()


def numbers(path):
    return [number for number, _ in play(path)]


def test_a_clip_begins_before_its_trigger_and_every_frame_is_the_one_the_sidecar_says(camera, recorder):
    made = recorder(clips={})
    made.until(lambda report: report["held_seconds"] > 1.5)
    seq = camera.number
    assert made.trigger(seq, found=2, boxes=[[1, 2, 3, 4]])
    content, path = made.clip()
    frames = play(path)
    assert content["frames"] == len(frames) and content["unwritten"] == 0
    assert (frames[0][0], frames[-1][0]) == (content["first"]["seq"], content["last"]["seq"])
    assert [number for number, _ in frames] == sorted({number for number, _ in frames})
    missing = frames[-1][0] - frames[0][0] + 1 - len(frames)
    assert content["missed"] == missing
    assert frames[0][0] < seq - 30 and frames[-1][0] > seq + 10  # 1 s before it, half a second after it, at 50 Hz
    seen, = content["trigger"]
    assert (seen["seq"], seen["found"], seen["boxes"], seen["worker"]) == (seq, 2, [[1, 2, 3, 4]], "person")
    when = dict(frames)[seq]
    assert seen["at"] == pytest.approx(when, abs=0.002)  # where the player finds it is where the sidecar says
    assert 0.9 < seen["at"] < 1.2
    assert content["camera"] == "front" and content["software"].startswith("gst-frame-supplier 0.")


def test_the_files_are_what_other_programs_play(camera, recorder, tmp_path):
    made = recorder(clips={})
    made.until(lambda report: report["segments"] >= 2)
    made.trigger()
    content, path = made.clip()
    assert made.end() == 0
    for file in (path, made.segments()[0]):
        counted = subprocess.run(["gst-launch-1.0", "-v", "filesrc", f"location={file}", "!", "matroskademux", "!",
                                  "jpegdec", "!", "fakesink", "silent=false", "sync=false"], capture_output=True,
                                 text=True, check=True, timeout=60)
        assert counted.stdout.count("chain") == len(play(file)) > 1


def test_segments_follow_one_another_without_a_frame_between_them(camera, recorder):
    made = recorder()
    made.until(lambda report: report["segments"] >= 4)
    assert made.end() == 0
    said = [message for message in made.messages if message["kind"] == "report"][-1]
    got = [number for path in made.segments() for number in numbers(path)]
    assert len(got) == said["frames_written"] and got == sorted(set(got))
    assert len(got) == got[-1] - got[0] + 1 - said["missed"]
    assert said["frames_lost"] == 0 and said["disk"] == "ok" and made.messages[-1]["kind"] == "bye"
    length = [play(path)[-1][1] for path in made.segments()[:-1]]
    assert all(0.45 < seconds < 0.55 for seconds in length)


def test_a_killed_recorders_segment_plays_up_to_its_last_frames_and_the_next_recorder_goes_on(camera, recorder):
    made = recorder({"segment": "1 h"}, clips={})
    said = made.until(lambda report: report["frames_written"] > 60)
    made.trigger()
    eventually(lambda: list((made.folder / "clips").glob(".*.part")))  # in the middle of a clip, too
    made.end(signal.SIGKILL)
    killed, = made.segments()
    got = numbers(killed)
    assert len(got) >= said["frames_written"]
    assert not made.clips()
    after = recorder({"segment": "1 h"}, clips={})
    after.recording()
    eventually(lambda: not list((made.folder / "clips").iterdir()))  # a half clip never looks whole, and does not stay
    assert after.segments()[0] == killed and numbers(killed) == got


def test_overlapping_triggers_are_one_clip_and_a_flood_is_bounded_and_counted(camera, recorder):
    made = recorder({"segment": 0}, clips={"per-hour": 2, "before": "200 ms", "after": "200 ms", "longest": "600 ms"})
    made.recording()
    sent = sum(made.trigger(camera.number) for _ in range(1000))  # what the socket does not take is the sender's count
    first, path = made.clip()
    assert first["triggers"] > 1 and len(first["trigger"]) <= 100 and len(numbers(path)) == first["frames"]
    for _ in range(25):  # two and a half seconds: more clips than the hour has
        sent += made.trigger(camera.number)
        time.sleep(0.1)
    said = made.until(lambda report: report["triggers"] == sent and report["clips_written"] == 2)
    assert said["clips"] == 2 and said["clips_refused"] > 0
    listed = sum(content["triggers"] for content, _ in made.clips())
    assert listed + said["clips_refused"] + said["clips_covered"] == sent
    made.until(lambda report: report["frames"] > said["frames"] + 20)  # it goes on reading


def test_a_trigger_of_a_slow_worker_still_extends_the_clip_it_belongs_to(camera, recorder):
    made = recorder({"segment": 0}, clips={"before": "200 ms", "after": "200 ms", "late": "2 s"})
    made.recording()
    seq = camera.number
    made.trigger(seq)
    eventually(lambda: camera.number > seq + 40)  # its end, 10 frames later, has long passed
    made.trigger(seq + 8)
    content, path = made.clip()
    assert content["triggers"] == 2 and made.listen()[-1]["clips"] <= 1
    assert seq + 15 <= numbers(path)[-1] <= seq + 18


def test_an_event_that_goes_on_is_clips_of_full_length_that_continue_each_other(camera, recorder):
    made = recorder({"segment": 0}, clips={"before": "200 ms", "after": "200 ms", "longest": "600 ms"})
    made.recording()
    while len(made.clips()) < 2:
        made.trigger(camera.number)
        time.sleep(0.05)
        made.listen()
    (first, one), (second, other) = made.clips()[:2]
    assert first["ended"] == "it had its full length" and first["continues"] is None
    assert second["continues"] == first["clip"]
    assert numbers(one)[-1] in (second["first"]["seq"] - 1, second["first"]["seq"])  # not a frame lost, at most one twice
    assert numbers(other)[0] == second["first"]["seq"]


def test_old_segments_make_room_for_new_ones(camera, recorder):
    made = recorder({"segment": "200 ms", "max-size": "1 MB"})
    said = made.until(lambda report: report["deleted"] >= 3)
    assert said["bytes"] <= 1.1e6
    assert sum(path.stat().st_size for path in made.segments()) < 1.2e6
    young = recorder({"segment": "200 ms", "max-age": "1 s"}, folder=made.folder.parent / "young")
    made.end()
    young.until(lambda report: report["deleted"] >= 3)
    assert len(young.segments()) < 15


def test_a_stopped_recorder_costs_the_others_nothing(camera, recorder, tmp_path):
    made = recorder({"depth": 4})
    made.recording()
    with shmring.Reader(str(tmp_path / "ring"), drop_policy="drop-newest", worker="other", depth=16) as reader:
        first = reader.latest(10).sequence
        camera.waits_for = "other"  # whose lane is there from now on
        made.send_signal(signal.SIGSTOP)
        for number in range(first + 1, first + 101):
            with reader.read(10) as frame:
                assert frame.sequence == number  # the stopped one never leaves the ring without a slot
        assert camera.lane()["dropped"] > 20
        camera.waits_for = ""
    made.send_signal(signal.SIGCONT)
    said = made.until(lambda report: report["missed"] > 20)
    assert made.end() == 0 and said["frames_lost"] == 0


def test_a_camera_that_dies_and_comes_back_is_recorded_on(tmp_path, recorder):
    camera = Camera(str(tmp_path / "ring"))
    made = recorder({"segment": "1 h"}, clips={"after": "500 ms"})
    made.recording()
    made.trigger(camera.number)
    camera.end()
    assert made.clip()[0]["ended"] == "no frame came any more"  # nothing waits for the camera
    before = made.listen()[-1]["frames_written"]
    camera = Camera(str(tmp_path / "ring"))
    made.until(lambda report: report["frames_written"] > before + 20)
    made.trigger(camera.number)
    content, path = made.clip(2)
    camera.end(stream=True)
    assert made.process.wait(30) == 0
    assert content["first"]["seq"] == numbers(path)[0]
    assert numbers(made.segments()[0])[-1] == camera.number  # to the last frame of the stream


def test_a_recorder_whose_manager_is_gone_finishes_its_file_and_ends(camera, recorder):
    made = recorder({"segment": "1 h"})
    made.recording()
    made._ours.close()
    assert made.process.wait(30) == 0
    assert len(numbers(made.segments()[0])) > 20


def test_what_is_no_trigger_is_told_and_harms_nothing(camera, recorder):
    made = recorder(clips={})
    made.recording()
    for fields in ({"boxes": "all"}, {"boxes": [["a"]]}, {"found": "many"}, {"time": "soon"}, {"time": float("inf")}, {"seq": 2**80}):
        made.trigger(**fields)
    made._ours.send(b"no json")
    eventually(lambda: len(made.listen("warning")) >= 5)
    made.trigger(camera.number)
    assert made.clip()[0]["triggers"] >= 1


@pytest.mark.parametrize("encode, said", [
    ("nosuchelement", "no element \"nosuchelement\""),
    ("videoconvert ! video/x-raw,format=BGRA", "`encode` must give what Matroska takes"),
])
def test_an_encoder_that_cannot_be_is_told(camera, recorder, encode, said):
    made = recorder({"encode": encode})
    eventually(lambda: any(said in str(message.get("text", "")) for message in made.listen("error") + made.listen("warning")))


@pytest.mark.parametrize("encode", [
    config.ENCODE,
    "videoconvert ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=20 target-bitrate=1000000",
])
def test_streams_with_delta_frames_are_cut_and_begun_at_key_frames(camera, recorder, encode):
    made = recorder({"encode": encode, "segment": "500 ms"}, clips={"before": "500 ms"})
    made.until(lambda report: report["segments"] >= 3 and report["held_seconds"] > 1)
    seq = camera.number
    made.trigger(seq)
    content, path = made.clip()
    assert made.end() == 0
    got = numbers(path)
    assert got[0] == content["first"]["seq"] <= seq - 25 and len(got) == content["frames"]
    for segment in made.segments():
        assert len(numbers(segment)) > 0  # each begins with a key frame, or it would not play


def test_frames_that_the_camera_encoded_itself_are_kept_as_they_are(tmp_path, recorder):
    camera = Camera(str(tmp_path / "ring"), jpeg=True)
    made = recorder({"encode": "jpegparse"}, {})
    made.recording()
    made.trigger(camera.number)
    content, path = made.clip()
    camera.end()
    assert numbers(path)[0] == content["first"]["seq"] and content["format"] == "image/jpeg"


def test_frames_without_a_time_are_of_the_time_they_came(camera, recorder):
    made = recorder(clips={})
    made.until(lambda report: report["held_seconds"] > 1.2)
    camera.timed = False
    lost = camera.number
    eventually(lambda: camera.number > lost + 10)
    camera.timed = True
    made.trigger(lost + 5)
    content, path = made.clip()
    frames = dict(play(path))
    assert frames[lost + 5] == pytest.approx(1.0, abs=0.5)
    assert content["seconds"] < 5 and made.end() == 0


def test_a_clip_of_a_time_that_is_not_held_any_more_is_refused(camera, recorder):
    made = recorder({"segment": 0}, clips={"late": 0})
    made.recording()
    made.trigger(0, time=time.monotonic() - 3600)
    assert made.until(lambda report: report["clips_refused"] == 1)["clips_written"] == 0


def test_a_writer_that_dies_ends_the_process_which_the_manager_starts_again(camera, tmp_path):
    code = """
import sys
from surveillance.recording import __main__ as recorder, segments
segments.Segments._write = lambda self, frame: 1 / 0
sys.exit(recorder.main())
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, env={
        **os.environ, "RECORDINGS": str(tmp_path), "RECORDER": '{"recorder": {}}', "SHMRING_PATH": str(tmp_path / "ring")})
    assert process.returncode == 1 and "ZeroDivisionError" in process.stderr


def test_a_write_that_never_comes_back_is_reported_while_the_lane_goes_on(camera, tmp_path):
    """A disk that hangs, in the recorder's own process: no file system here can be made to hang by a test."""
    code = """
import sys, time
from surveillance.recording import __main__ as recorder, disk, film
disk.HANGS = 0.5
recorder.LEAVE = 0.5
film.Film.write = lambda self, frame: time.sleep(3600)
sys.exit(recorder.main())
"""
    ours, theirs = channel.pair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-c", code], pass_fds=[theirs.fileno()],
                                   env={**os.environ, "REPORT_FD": str(theirs.fileno()), "RECORDINGS": str(tmp_path), "RECORDER": '{"recorder": {}}',
                                        "SHMRING_PATH": str(tmp_path / "ring")})
    said = []
    try:
        eventually(lambda: said.extend(channel.receive(ours)[0]) or any(one.get("disk") == "hangs" for one in said))
        eventually(lambda: said.extend(channel.receive(ours)[0]) or said[-1]["frames"] > 100)  # far more than the lane holds
        process.terminate()
        assert process.wait(30) == 1  # it does not wait for the disk
    finally:
        process.kill()
        ours.close()
