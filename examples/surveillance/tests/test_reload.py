# SPDX-License-Identifier: LGPL-2.1-or-later
"""A new version of the file: the changes that it makes, and all that it leaves alone."""

from dataclasses import replace

import pytest
from surveillance.config import Camera, Config, ConfigError, Ring, Worker
from surveillance.reload import plan
from surveillance.supervisor import wanted

MOTION, PERSON = Worker("motion", ("motion",)), Worker("person", ("person",))
FRONT, BACK = Camera("front", input="a", workers=(MOTION,)), Camera("back", input="b", workers=(MOTION,))
ROOM = {"front": 8, "back": 8}


def names(cameras):
    return [camera.name for camera in cameras]


def test_the_same_file_changes_nothing():
    steps = plan(Config((FRONT, BACK)), Config((FRONT, BACK)), ROOM)
    assert (steps.stop, steps.start) == ((), ())
    assert names(steps.change) == ["front", "back"]  # asked, and nothing is different


def test_cameras_come_and_go():
    steps = plan(Config((FRONT,)), Config((BACK,)), ROOM)
    assert (steps.stop, names(steps.start), steps.change) == (("front",), ["back"], ())


def test_workers_come_and_go_while_the_camera_goes_on():
    steps = plan(Config((FRONT,)), Config((replace(FRONT, workers=(PERSON,)),)), ROOM)
    assert (steps.stop, steps.start) == ((), ())
    assert steps.change[0].workers == (PERSON,)


@pytest.mark.parametrize("changed", [replace(FRONT, input="c"), replace(FRONT, ring=replace(FRONT.ring, stall_timeout=9.0))])
def test_another_input_or_ring_begins_the_camera_anew_and_only_that(changed):
    steps = plan(Config((FRONT, BACK)), Config((changed, BACK)), ROOM)
    assert (steps.stop, names(steps.start), names(steps.change)) == (("front",), ["front"], ["back"])


def test_more_workers_than_the_ring_was_made_for_are_refused_with_the_remedy():
    many = replace(FRONT, workers=tuple(Worker(f"w{number}", ("w",)) for number in range(9)))
    with pytest.raises(ConfigError, match="max-readers = 9"):
        plan(Config((FRONT,)), Config((many,)), ROOM)
    roomy = replace(many, ring=Ring(max_readers=9))  # as it says
    assert names(plan(Config((FRONT,)), Config((roomy,)), ROOM).start) == ["front"]


@pytest.mark.parametrize("objects, same", [(False, True), (["motion"], True), (True, False)])
def test_the_recorder_goes_on_when_workers_come_whose_results_it_does_not_keep(tmp_path, objects, same):
    before = replace(FRONT, recorder={"objects": objects})
    recorders = [wanted(camera, tmp_path)[-1] for camera in (before, replace(before, workers=(MOTION, PERSON)))]
    assert (recorders[0] == recorders[1]) == same
