# SPDX-License-Identifier: LGPL-2.1-or-later
"""The policy alone, with a clock made of numbers."""

import pytest
from surveillance.policy import GiveUp, Kill, Leave, Level, Lifecycle, Phase, Start


def running(budget=2, **options):
    life = Lifecycle(budget, **options)
    life.started(0.0)
    life.health("ok", 1.0)
    return life


def test_the_budget_goes_by_level():
    assert [level.restarts for level in (Level.CRITICAL, Level.HIGH, Level.NORMAL, Level.BEST_EFFORT)] == [3, 2, 1, 0]


def test_a_dead_process_is_started_again():
    life = running()
    assert life.exited("killed by SIGKILL", 2.0) == Start(0.25, "killed by SIGKILL")
    life.started(2.25)
    assert life.phase is Phase.STARTING


def test_a_stuck_worker_is_killed_and_its_end_starts_it_again():
    life = running()
    assert life.health("stuck", 5.0) == Kill("its lane is stuck")
    assert life.phase is Phase.ENDING
    assert isinstance(life.exited("killed by SIGKILL", 5.1), Start)


def test_a_lane_that_is_dead_while_its_process_lives_is_killed_too():
    assert running().health("dead", 5.0) == Kill("its lane is dead")


@pytest.mark.parametrize("state", ["starved", "slow", "waiting", "ok"])
def test_no_other_state_is_a_reason_to_restart(state):
    life = running()
    assert life.health(state, 100.0) is None
    assert life.phase is Phase.RUNNING


def test_bad_news_while_it_starts_is_its_predecessors():
    life = running()
    life.exited("killed by SIGKILL", 2.0)
    assert life.health("dead", 2.1) is None
    life.started(2.3)
    assert life.health("dead", 2.4) is None
    assert life.health("waiting", 3.0) is None
    assert life.phase is Phase.RUNNING


def test_a_child_that_never_shows_life_is_killed_after_its_grace():
    life = Lifecycle(1, grace=15.0)
    life.started(0.0)
    assert life.tick(15.0) is None
    assert life.tick(15.1) == Kill("no sign of life for 15 s after its start")
    assert life.tick(16.0) is None


def test_each_restart_waits_twice_as_long_as_the_one_before_but_not_for_ever():
    life = Lifecycle(9, first_delay=0.5, longest_delay=3.0)
    delays = []
    for at in range(5):
        life.started(float(at))
        delays.append(life.exited("crash", float(at)).delay)
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_it_gives_up_once_the_budget_is_spent():
    life = running(budget=2)
    for _ in range(2):
        assert isinstance(life.exited("crash", 3.0), Start)
        life.started(3.0)
    given_up = life.exited("crash", 4.0)
    assert isinstance(given_up, GiveUp) and "2 in 60 s" in given_up.reason
    assert life.phase is Phase.GIVEN_UP
    assert life.exited("crash", 5.0) is None


def test_restarts_are_forgotten_after_the_window():
    life = running(budget=1, window=60.0)
    assert isinstance(life.exited("crash", 10.0), Start)
    life.started(11.0)
    life.health("ok", 12.0)
    assert isinstance(life.exited("crash", 71.0), Start)


def test_a_best_effort_worker_that_is_stuck_is_left_alone_and_told_once():
    life = running(budget=0)
    assert life.health("stuck", 5.0) == Leave("its lane is stuck; no restart left of 0 in 60 s")
    assert life.health("stuck", 6.0) is None
    life.health("ok", 7.0)
    assert life.phase is Phase.RUNNING
    assert isinstance(life.health("stuck", 9.0), Leave)


def test_nothing_is_started_again_while_stopping():
    life = running()
    life.stop()
    assert life.exited("ended with code 0", 5.0) is None
    assert life.health("stuck", 5.0) is None
    assert life.tick(99.0) is None
