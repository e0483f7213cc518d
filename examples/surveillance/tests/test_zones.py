# SPDX-License-Identifier: LGPL-2.1-or-later
"""Zones: what enters, stays and leaves, each told once; and what is wrong in the file, in a sentence."""

import pytest
from surveillance import config, zones
from surveillance.zones import GONE_AFTER, MOST_STAYS, SILENT, Presence, Thing, Zone

DOOR = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.8], [0.2, 0.8]]
INSIDE, OUTSIDE = (0.4, 0.5), (0.9, 0.5)


def zone(**changes):
    return {"name": "door", "points": DOOR, **changes}


def presence(**changes):
    return Presence("person", zones.parse([zone(**changes)], "camera 'front'", ["person", "motion"]))


def run(watched, *places, label="person", track=7, every=0.5, begin=0.0):
    """A result each `every` seconds; None: nothing is seen in it."""
    said = []
    for step, place in enumerate(places):
        said += watched.update([] if place is None else [Thing(track, label, *place)], begin + every * step)
    return [str(crossing) for crossing in said]


@pytest.mark.parametrize("x, y, inside", [
    (0.5, 0.2, True), (0.2, 0.9, True), (0.8, 0.9, True), (0.5, 0.7, False), (0.05, 0.5, False), (0.5, 1.0, False), (0.9, 0.05, False)])
def test_a_zone_may_have_any_shape(x, y, inside):
    horseshoe = zones.parse([zone(points=[[0.1, 0.1], [0.9, 0.1], [0.9, 1.0], [0.7, 1.0], [0.7, 0.4], [0.3, 0.4], [0.3, 1.0], [0.1, 1.0]])], "", [])
    assert horseshoe[0].has(x, y) is inside


def test_entering_and_leaving_are_each_told_once():
    assert run(presence(), OUTSIDE, *[INSIDE] * 10, *[OUTSIDE] * 5) == ["person 7 entered door", "person 7 left door after 5.0 s"]


def test_what_trembles_on_the_border_says_nothing():
    assert run(presence(), *[INSIDE, OUTSIDE] * 20) == []
    assert run(presence(), INSIDE, INSIDE, *[OUTSIDE, INSIDE] * 20) == ["person 7 entered door"]


def test_staying_is_told_once_a_stay():
    said = run(presence(dwell=3.0), *[INSIDE] * 20, *[OUTSIDE] * 2, *[INSIDE] * 20)
    assert [line.split(" for")[0].split(" after")[0] for line in said] == [
        "person 7 entered door", "person 7 has been in door", "person 7 left door", "person 7 entered door", "person 7 has been in door"]
    assert "for 3.0 s" in said[1]


def test_what_is_gone_has_left_but_not_for_a_short_gap():
    watched = presence()
    assert run(watched, INSIDE, INSIDE, *[None] * 3, INSIDE) == ["person 7 entered door"]
    assert run(watched, *[None] * 20, begin=3.0) == ["person 7 left door after 2.0 s"]
    assert watched.inside("door") == 0


def test_where_results_are_rare_one_without_it_is_no_end():
    watched = presence()
    run(watched, INSIDE, INSIDE, every=5.0)
    assert run(watched, *[None] * (GONE_AFTER - 1), every=5.0, begin=10.0) == []
    assert len(run(watched, None, begin=30.0)) == 1


def test_a_worker_that_ends_or_is_silent_leaves_nothing_in_its_zones():
    for end in (lambda watched: watched.end(), lambda watched: watched.silent(0.5 + SILENT + 0.1)):
        watched = presence()
        run(watched, INSIDE, INSIDE)
        assert watched.inside("door") == 1
        assert watched.silent(0.5 + SILENT) == []
        assert [crossing.kind for crossing in end(watched)] == ["leave"]
        assert watched.inside("door") == 0 and end(watched) == []


def test_labels_and_workers_choose():
    assert run(presence(labels=["person"]), *[INSIDE] * 5, label="dog") == []
    assert run(presence(labels=["dog", "person"]), *[INSIDE] * 5) == ["person 7 entered door"]
    assert run(presence(workers=["motion"]), *[INSIDE] * 5) == []


def test_each_thing_and_zone_for_itself():
    watched = Presence("person", (Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1))), Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1)))))
    for step in range(3):
        watched.update([Thing(1, "person", 0.2, 0.5), Thing(2, "person", 0.8, 0.5)], 0.1 * step)
    assert (watched.inside("left"), watched.inside("all")) == (1, 2)


def test_zones_that_change_in_the_file_begin_anew_and_the_others_go_on():
    watched = Presence("person", zones.parse([zone(), zone(name="yard")], "", []))
    run(watched, INSIDE, INSIDE)
    said = watched.change(zones.parse([zone(dwell=5.0), zone(name="yard")], "", []))
    assert [str(crossing) for crossing in said] == ["person 7 left door after 0.0 s"]
    assert (watched.inside("yard"), watched.inside("door")) == (1, 0)


def test_a_flood_of_tracks_is_bounded():
    watched = presence()
    for step in range(1000):
        watched.update([Thing(1000 * step + number, "person", *INSIDE) for number in range(1000)], 0.01 * step)
        assert len(watched._stays) <= MOST_STAYS


@pytest.mark.parametrize("changes, sentence", [
    ({"name": ""}, "a name of 1 to 32 letters"), ({"name": "a/b"}, "a name of 1 to 32 letters"), ({"name": 3}, "a name of 1 to 32 letters"),
    ({"points": DOOR[:2]}, "a list of 3 to 64 points"), ({"points": "x"}, "a list of 3 to 64 points"), ({"points": DOOR * 20}, "3 to 64 points"),
    ({"points": [*DOOR, [0.5]]}, r"point [0.5]: [x, y] is needed"), ({"points": [*DOOR, [0.5, 1.5]]}, "of 0 to 1"),
    ({"points": [*DOOR, [0.5, True]]}, "of 0 to 1"), ({"points": [*DOOR, [0.5, float("nan")]]}, "of 0 to 1"),
    ({"points": [DOOR[0], *DOOR]}, "stands twice in a row"),
    ({"points": [*DOOR[:3], DOOR[0]]}, "a zone closes by itself"),
    ({"points": [DOOR[0], DOOR[2], DOOR[1], DOOR[3]]}, "from point 1 and from point 3 cross"),
    ({"points": [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]}, "lie on one line"),
    ({"labels": "person"}, "labels = 'person': a list"), ({"labels": [""]}, "a list"), ({"workers": ["gone"]}, "'gone', which is no worker"),
    ({"dwell": -1}, "dwell = -1: seconds"), ({"dwell": "5 s"}, "seconds are needed"), ({"point": DOOR}, "unknown key 'point'"),
])
def test_what_is_wrong_in_the_file_is_said(changes, sentence):
    with pytest.raises(config.ConfigError) as error:
        config.parse({"worker": [{"name": "person", "command": ["true"]}], "zone": [zone(**changes)]})
    assert sentence in str(error.value) and "camera 'camera'" in str(error.value)


def test_zones_of_all_cameras_and_of_one():
    table = {"worker": [{"name": "person", "command": ["true"]}], "zone": [zone()],
             "camera": [{"name": "front", "zone": [zone(name="gate")]}, {"name": "back"}]}
    assert [[one.name for one in camera.zones] for camera in config.parse(table).cameras] == [["door", "gate"], ["door"]]
    with pytest.raises(config.ConfigError, match="two zones are called 'door'"):
        config.parse({**table, "camera": [{"name": "front", "zone": [zone()]}]})
