# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parts of the page, without a server: settings, history, troubles."""

import pytest
from web_fixture import account, camera, worker

from surveillance.web.history import History
from surveillance.web.settings import Settings, parse
from surveillance.web.trouble import troubles


@pytest.mark.parametrize("table, settings", [
    ({}, Settings("127.0.0.1", 8088)),
    ({"listen": "0.0.0.0:80"}, Settings("0.0.0.0", 80)),
    ({"listen": "[::1]:0"}, Settings("::1", 0)),
    ({"listen": "localhost:9000"}, Settings("127.0.0.1", 9000)),
    ({"listen": ""}, Settings("", 0)),
    ({"names": ["Cameras.example"]}, Settings(names=("cameras.example",))),
])
def test_the_table_is_read(table, settings):
    assert parse(table) == settings


@pytest.mark.parametrize("table, said", [
    ({"listen": "127.0.0.1"}, "ADDRESS:PORT"), ({"listen": "127.0.0.1:65536"}, "ADDRESS:PORT"), ({"listen": 8088}, "ADDRESS:PORT"),
    ({"listen": "::1:80"}, "ADDRESS:PORT"), ({"listen": "cameras.example:80"}, "ADDRESS:PORT"), ({"listen": ":80"}, "ADDRESS:PORT"),
    ({"port": 80}, "unknown key 'port'"), ({"names": "host"}, "names"), ({"names": ["host:80"]}, "without ports"),
])
def test_what_is_wrong_in_the_table_is_said(table, said):
    with pytest.raises(ValueError, match=r"\[web\]") as error:
        parse(table)
    assert said in str(error.value)


def shot(at, *cameras):
    return {"at": at, "started_at": 0, "cameras": list(cameras)}


def test_a_sample_is_what_came_in_that_second():
    history = History()
    history.add(shot(1, camera(workers=[worker("w", offered=10, delivered=8, dropped=2)])))
    told = history.add(shot(2, camera(workers=[worker("w", offered=20, delivered=15, dropped=5)], reports={"w": {"age": 0.003}})))
    assert told == {"front": {"w": [2, 0.003, 10, 3, "ok"]}}


def test_the_age_of_a_worker_that_takes_nothing_is_a_gap():
    history = History()
    for at in (1, 2):
        told = history.add(shot(at, camera(workers=[worker("w", "stuck", offered=10 * at)], reports={"w": {"age": 0.003}})))
    assert told["front"]["w"][1] is None


def test_new_books_of_a_new_publisher_are_no_negative_frames():
    history = History()
    history.add(shot(1, camera(workers=[worker("w", offered=1000, delivered=990, dropped=10)])))
    assert history.add(shot(2, camera(workers=[worker("w", offered=7, delivered=6, dropped=1)])))["front"]["w"][2:4] == [7, 1]


def test_the_history_is_bounded_and_forgets_who_is_gone():
    history = History(kept=3)
    for at in range(10):
        history.add(shot(at, camera(workers=[worker("w")], branches=[account("recorder")])))
    assert [sample[0] for sample in history.all()["front"]["w"]] == [7, 8, 9]
    history.add(shot(10, camera(workers=[worker("other")])))
    assert set(history.all()["front"]) == {"other"}


def test_all_well_is_no_trouble():
    assert troubles(shot(1, camera(workers=[worker("a"), worker("b", "waiting")]))) == []


def test_an_outage_is_one_trouble_of_the_camera_and_none_of_its_workers():
    found = troubles(shot(1, camera(workers=[worker("a", "starved"), worker("b", "starved", level_kept=False)])))
    assert [(trouble.severity, trouble.worker) for trouble in found] == [("warning", "")]
    assert "gives no frames" in found[0].text


def test_who_was_given_up_comes_first():
    found = troubles(shot(1, camera("a", workers=[worker("w", "stuck", reason="held for 3 s")]),
                          camera("b", workers=[worker("v", "dead", "given up", reason="ended with code 1")])))
    assert [(trouble.severity, trouble.camera, trouble.worker) for trouble in found] == [("fault", "b", "v"), ("warning", "a", "w")]
    assert found[0].text == "was given up: ended with code 1"


def test_why_a_worker_was_given_up_is_said_as_the_event_said_it():
    told = shot(1, camera(workers=[worker("w", "dead", "given up", reason="its process ended")]), camera("b", phase="given up"))
    found = troubles(told, {("front", "w"): "killed by SIGKILL; no restart left", ("b", "capture"): "ended with code 1"})
    assert [trouble.text for trouble in found] == ["was given up: killed by SIGKILL; no restart left",
                                                   "its capture was given up: ended with code 1"]


def test_a_camera_that_was_given_up_speaks_for_its_workers():
    assert [trouble.worker for trouble in troubles(shot(1, camera(phase="given up", workers=[worker("w", "dead")])))] == [""]


@pytest.mark.parametrize("told", [worker("w", "slow", level_kept=False), worker("w", "dead", "idle"), worker("w", "stuck")])
def test_an_ill_worker_is_named(told):
    assert [trouble.worker for trouble in troubles(shot(1, camera(workers=[told])))] == ["w"]


def test_a_worker_that_is_not_there_yet_is_not_said_to_be_below_its_level():
    told = camera(workers=[worker("a", "waiting", "starting", level_kept=False), worker("b", "waiting", "starting", level_kept=False, foreign=True)])
    assert [trouble.text for trouble in troubles(shot(1, told))] == ["is not there yet", "is not there yet; others start it"]


def test_a_disk_that_does_not_take_the_recording_is_a_fault():
    report = {"disk": "full", "error": "No space left on device", "clips_disk": "ok", "clips_error": ""}
    found = troubles(shot(1, camera(workers=[worker("recorder")], reports={"recorder": report, "person": {"age": 0.1}})))
    assert [(trouble.severity, trouble.worker, trouble.text) for trouble in found] == [
        ("fault", "recorder", "cannot write segments, the disk is full: No space left on device")]
