# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results as they come back, without a ring: latencies, what the page gets, the state of their ring; and the sender, without one that can be made."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from surveillance import listener, report, result_sender
from surveillance.record import Record
from surveillance.results import MOST_KEPT, MOST_KEPT_BYTES, MOST_SHOWN, Results
from surveillance.zones import Zone

STALL = 3.0
HALF = Zone("half", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))


def result(sequence=1, *boxes, latency=0.25, label="person", **more):
    objects = [SimpleNamespace(label=label, score=0.9, box=box, track=number) for number, box in enumerate(boxes, 1)]
    return SimpleNamespace(**{"sequence": sequence, "latency": latency, "width": 640, "height": 480, "objects": objects, **more})


def made(*zones):
    return Results("person", zones, STALL)


def stats(taken=0, missed=0, attachments=1, refused=0):
    return {"taken": taken, "missed": missed, "attachments": attachments, "refused": refused}


def test_a_latency_is_kept():
    results = made()
    results.took(result(latency=0.25), now=10.0, at=1.7e9)
    assert list(results.latencies) == [0.25] and json.loads(results.find(1))["latency"] == 0.25


def test_of_two_frames_of_one_number_the_newer_one_is_found():
    """Numbers begin anew with each publisher."""
    results = made()
    results.took(result(5, (0, 0, 1, 1)), now=10.0, at=1.7e9)
    results.took(result(5, (0, 0, 2, 2)), now=11.0, at=1.7e9)
    results.took(result(6), now=12.0, at=1.7e9)
    assert json.loads(results.find(5))["objects"][0]["box"] == [0, 0, 2, 2]


@pytest.mark.parametrize("latency", [None, -0.001, 1e10])
def test_a_time_that_cannot_be_is_no_latency(latency):
    results = made()
    results.took(result(latency=latency), now=10.0, at=1.7e9)
    assert not results.latencies and json.loads(results.find(1))["latency"] is None


def test_a_picture_gets_the_result_of_its_frame_or_else_the_newest():
    results = made()
    assert results.find(1) is None
    for sequence in (5, 6, None, 8):
        results.took(result(sequence, (1, 2, 3, 4)), 10.1, 1.7e9)
    assert json.loads(results.find(6)) == {"sequence": 6, "at": 1.7e9, "latency": 0.25, "width": 640, "height": 480, "left_out": 0,
                                           "objects": [{"label": "person", "score": 0.9, "box": [1, 2, 3, 4], "track": 1}]}
    assert [json.loads(results.find(sequence))["sequence"] for sequence in (7, None)] == [8, 8]


def test_what_is_kept_is_bounded_whatever_a_worker_sends():
    results = made()
    for sequence in range(1000):
        results.took(result(sequence, *[(1.0, 2.0, 3.0, 4.0)] * 1000, label="\x1b" * 255), 10.1, 1.7e9)
        assert len(results._kept) <= MOST_KEPT and results._kept_bytes <= MOST_KEPT_BYTES
    kept = json.loads(results.find(999))
    assert (len(kept["objects"]), kept["left_out"]) == (MOST_SHOWN, 900)
    assert kept["objects"][0]["label"].isprintable() and len(kept["objects"][0]["label"]) <= 64


def test_things_are_placed_where_they_stand_and_only_those_with_a_track():
    results = made(HALF)
    for step in range(2):
        crossings = results.took(result(step, (250, 0, 60, 400), (450, 0, 60, 400)), 10.0 + step, 1.7e9)
    assert [str(crossing) for crossing in crossings] == ["person 1 entered half"]
    no_track = result(9, (250, 0, 60, 400))
    no_track.objects[0].track = None
    results = made(HALF)
    for unplaced in (no_track, result(9, (250, 0, 60, 400), width=0), result(9, (250, 0, 60, 400), height=0)):
        assert results.took(unplaced, 10.0, 1.7e9) == results.took(unplaced, 10.1, 1.7e9) == []


def test_the_ring_of_results_has_the_states_of_a_lane():
    results = made(HALF)
    states = []
    for now, counted, is_connected in ((0, stats(attachments=0), False), (1, stats(), True), (2, stats(4, 1), True), (3, stats(9, 2), True),
                                       (6, stats(9, 2), True), (9, stats(12, 2), True), (10, stats(12, 2), False),
                                       (11, stats(12, 2), True), (12, stats(13, 2, attachments=2), True)):
        results.look(counted, is_connected, STALL if now == 6 else 0.5, float(now))
        states.append(results.record.state)
    assert states == ["waiting", "waiting", "ok", "ok", "starved", "ok", "dead", "ok", "ok"]
    account = results.record.account
    assert (account.offered, account.delivered, account.dropped, results.record.generation, account.balanced) == (15, 13, 2, 2, True)


def test_a_reader_that_begins_anew_goes_on_counting():
    results = made()
    results.look(stats(5, 1, refused=2), True, 0.5, 1.0)
    results.begin()
    results.look(stats(attachments=0), False, 0.5, 2.0)
    results.look(stats(3, refused=1), True, 0.5, 3.0)
    account = results.record.account
    assert (account.offered, account.delivered, account.dropped, results.refused) == (9, 8, 1, 3)


@pytest.mark.parametrize("end", [(stats(4), False), (stats(4, attachments=2), True)])
def test_a_worker_that_is_gone_leaves_nothing_in_its_zones(end):
    results = made(HALF)
    for step in range(2):
        results.took(result(step, (250, 0, 60, 400)), 10.0 + step, 1.7e9)
    assert results.look(stats(2), True, 0.5, 11.0) == [] and results.presence.inside("half") == 1
    assert [crossing.kind for crossing in results.look(*end, 0.5, 11.5)] == ["leave"]
    assert results.presence.inside("half") == 0


def test_the_reports_check_of_results_can_fail():
    results, worker = made(), Record("person")
    worker.heard = 100
    assert not report.came_back(worker, results).holds
    results.look(stats(5), True, 0.5, 1.0)
    assert report.came_back(worker, results).holds
    results.look(stats(6, refused=1), True, 0.5, 1.5)
    assert not report.came_back(worker, results).holds


def test_a_ring_that_cannot_be_made_costs_results_only_and_is_told_once(tmp_path):
    now, said = [0.0], []
    sender = result_sender.ResultSender(str(tmp_path / "gone" / "front.sock"), "person", "hog", said.append, clock=lambda: now[0])
    for _ in range(5):
        assert not sender.send(None, [])
        now[0] += 10
    assert len(said) == 1 and "a result could not be sent" in said[0]


@pytest.mark.parametrize("ring, worker, path", [("/run/front.sock", "person", "/run/results@person/front.sock"),
                                                ("/run/a.b.sock", "x.lock", "/run/results@x.lock/a.b.sock")])
def test_the_path_of_a_workers_results(ring, worker, path):
    assert str(result_sender.results_path(ring, worker)) == path


def test_a_folder_of_results_that_cannot_be_is_told_once_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "AGAIN", 0.01)
    (tmp_path / "results@person").write_text("something else")
    told, tries = [], []
    make_folder = listener.make_folder
    monkeypatch.setattr(listener, "make_folder", lambda path: (tries.append(path), make_folder(path)))

    async def listen():
        listening = listener.Listener(tmp_path / "front.sock", STALL, lambda *_: None, lambda *trouble: told.append(trouble))
        listening.keep_to(["person"], ())
        while len(tries) < 20:
            await asyncio.sleep(0.01)
        await listening.stop()
    asyncio.run(listen())
    assert told == [("person", f"its results cannot be read: this is no folder: remove it: {tmp_path / 'results@person'}")]
