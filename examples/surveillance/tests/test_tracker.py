# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tracks: the same thing keeps its number, through short gaps too; another thing never gets it."""

import pytest
from surveillance.album import Detection
from surveillance.tracker import MISSED, MOST, Tracker, overlap


def person(left, top=100.0, label="person", score=1.0):
    return Detection((left, top, 60, 120), label, score)


def numbers(tracker, detections, at):
    return [detection.track for detection in tracker.follow(detections, at)]


@pytest.mark.parametrize("one, other, share", [
    ((0, 0, 10, 10), (0, 0, 10, 10), 1.0), ((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3), ((0, 0, 10, 10), (10, 0, 10, 10), 0.0),
    ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
])
def test_the_overlap_is_intersection_over_union(one, other, share):
    assert overlap(one, other) == pytest.approx(share)


def test_two_that_walk_keep_their_numbers_in_whatever_order_they_are_found():
    tracker = Tracker()
    for step in range(20):
        left, right = person(10 + 10 * step), person(600 - 10 * step, top=300.0)
        assert numbers(tracker, [left, right] if step % 2 else [right, left], 0.1 * step) == ([2, 1] if step % 2 else [1, 2])


def test_a_number_lives_through_a_short_gap_and_not_through_a_long_one():
    tracker = Tracker(gap=1.0)
    for step in range(5):
        assert numbers(tracker, [person(100 + 10 * step)], 0.1 * step) == [1]
    for step in range(5, 10):
        assert numbers(tracker, [], 0.1 * step) == []
    assert numbers(tracker, [person(200)], 1.0) == [1]  # where its speed has brought it, and 50 pixels from where it was
    for step in range(MISSED + 1):
        tracker.follow([], 2.5 + 0.1 * step)
    assert numbers(tracker, [person(200)], 3.0) == [2]


def test_where_frames_are_rare_a_gap_is_counted_in_frames():
    tracker = Tracker(gap=1.0)
    tracker.follow([person(100)], 0.0)
    for step in range(MISSED):
        tracker.follow([], 5.0 + 5.0 * step)
    assert numbers(tracker, [person(100)], 30.0) == [1]


def test_another_label_or_place_is_another_thing():
    tracker = Tracker()
    tracker.follow([person(100)], 0.0)
    assert numbers(tracker, [person(100, label="dog"), person(400)], 0.1) == [2, 3]


def test_two_on_one_place_are_two():
    tracker = Tracker()
    assert numbers(tracker, [person(100), person(102)], 0.0) == [1, 2]
    assert sorted(numbers(tracker, [person(101), person(103)], 0.1)) == [1, 2]


def test_a_picture_full_of_things_has_a_bounded_number_of_tracks():
    tracker = Tracker(gap=1e9)
    for step in range(20):
        found = tracker.follow([person(1000 * number + 300 * step, score=number) for number in range(3 * MOST)], float(step))
        assert len(found) == 3 * MOST
        assert sum(detection.track is not None for detection in found) == MOST
        assert [detection.track for detection in found[:2 * MOST]] == [None] * 2 * MOST  # the surest are kept
    assert len(tracker._tracks) <= 3 * MOST


def test_one_that_turns_or_whose_times_tremble_keeps_its_number():
    tracker = Tracker()
    for step in range(60):
        left = 10.0 * (step % 30)
        assert numbers(tracker, [person(min(left, 300 - left))], 0.1 * (step - step % 2) + 0.001 * step) == [1]


def test_a_clock_that_stands_still_is_no_infinite_speed():
    tracker = Tracker()
    for step in range(5):
        assert numbers(tracker, [person(100 + step)], 1.0) == [1]
