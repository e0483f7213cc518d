# SPDX-License-Identifier: LGPL-2.1-or-later
"""The policy alone, with a clock made of numbers."""

import pytest
from surveillance.policy import FallBack, GiveUp, Kill, Leave, Level, Lifecycle, Limits, Phase, Start


def running(budget=2, **options):
    life = Lifecycle(budget, **options)
    life.started(0.0)
    life.health("ok", 1.0)
    return life


def crash(life, at, ran=10.0):
    """Starts at that time and ends so long after it."""
    life.started(at)
    life.health("ok", at)
    return life.exited("crash", at + ran)


def ticks(life, begin, end, **options):
    """Every second; what the policy asked for in that time."""
    return [action for at in range(int(begin), int(end) + 1) if (action := life.tick(float(at), **options))]


def test_levels_are_presets():
    levels = (Level.CRITICAL, Level.HIGH, Level.NORMAL, Level.BEST_EFFORT)
    assert [level.restarts for level in levels] == [3, 2, 1, 0]
    assert [level.limits for level in levels] == [Limits(0.01, 0.1), Limits(0.1, 0.2), Limits(0.5, 0.5), Limits(1.0, 0.0)]


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
    assert not ticks(life, 100, 500)
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
    assert not ticks(life, 1, 14)
    assert life.tick(15.0) == Kill("no sign of life for 15 s after its start")
    assert life.tick(16.0) is None


def test_grace_does_not_run_where_its_health_cannot_be_told():
    life = Lifecycle(1, grace=15.0)
    life.started(0.0)
    assert not ticks(life, 1, 600, judged=False)
    assert not ticks(life, 601, 614)
    assert ticks(life, 615, 616) == [Kill("no sign of life for 15 s after its start")]


def test_a_start_without_a_processor_has_longer_but_not_for_ever():
    life = Lifecycle(1, grace=15.0)
    life.started(0.0)
    assert not [now for now in range(1, 30) if life.tick(now, True, 0.5 * now)]
    assert life.tick(30.0, True, 15.0) == Kill("no sign of life for 15 s after its start")
    life.started(100.0)
    assert not [now for now in range(101, 160) if life.tick(now, True, 8.0 * (now - 100))]
    assert life.tick(160.0, True, 480.0) == Kill("no sign of life for 15 s after its start")


def stuck_after(life, begin, share, then, base=0.0):
    """It waits for a processor for that share of the time, is told to be stuck after 30 s, and waits for the share `then` from there on.
    Seconds from its last sign until it is killed."""
    life.went_on()
    for second in range(30):
        assert life.tick(begin + second, True, base + share * second) is None
    if life.health("stuck", begin + 30):
        return 30
    return 30 + next(second for second in range(1000) if life.tick(begin + 30 + second, True, base + 30 * share + then * second))


def test_a_worker_that_had_no_processor_is_given_that_time_before_it_counts_as_stuck():
    assert stuck_after(running(), 2, 0.0, 0.0) == 30  # stopped, or it waits for something else
    assert 40 <= stuck_after(running(), 2, 0.5, 0.0) <= 50  # the machine has time for it again
    assert 70 <= stuck_after(running(), 2, 0.6, 0.6) <= 80
    assert 110 <= stuck_after(running(), 2, 8.0, 8.0) <= 120  # threads without end: four times as long, but not for ever


def test_a_worker_that_goes_on_owes_nothing_to_the_time_before():
    life = running()
    for second in range(2, 1000):
        assert life.tick(second, True, 0.7 * second) is None
    assert stuck_after(life, 1000, 0.0, 0.0, base=0.7 * 999) == 30


def test_a_worker_that_was_idle_for_long_has_no_more_time_than_others():
    life = running()
    for second in range(2, 10000):
        assert life.tick(second, True, 0.7 * second) is None
    assert life.health("stuck", 10000) is None
    assert [at for at in range(10000, 10200) if life.tick(at, True, 7000)] == list(range(10022, 10023))


def test_a_machine_that_slept_made_no_worker_late():
    life = Lifecycle(1, grace=15.0)
    life.started(0.0)
    assert life.tick(7200.0) is None


def test_a_worker_may_be_stuck_over_its_first_frame_while_it_warms_up_but_not_for_ever():
    life = Lifecycle(1, grace=15.0)
    life.started(0.0)
    life.health("waiting", 1.0)
    assert life.health("stuck", 3.0) is None
    assert not ticks(life, 1, 14)
    assert ticks(life, 15, 15) == [Kill("its lane is stuck")]


def test_a_worker_that_gets_warm_in_time_lives():
    life = Lifecycle(1, grace=15.0)
    life.started(0.0)
    life.health("waiting", 1.0)
    life.health("stuck", 3.0)
    life.health("ok", 10.0)
    assert not ticks(life, 11, 60)
    assert life.health("stuck", 61.0) == Kill("its lane is stuck")


def test_each_restart_waits_twice_as_long_as_the_one_before_but_not_for_ever():
    life = Lifecycle(9, first_delay=0.5, longest_delay=3.0)
    assert [crash(life, 20.0 * turn).delay for turn in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_who_ran_well_for_a_window_waits_as_at_the_first_time():
    life = Lifecycle(9, window=60.0)
    for turn in range(4):
        crash(life, 20.0 * turn)
    assert crash(life, 100.0, ran=61.0).delay == 0.25


def test_it_gives_up_once_the_budget_is_spent():
    life = Lifecycle(2)
    assert isinstance(crash(life, 0.0), Start) and isinstance(crash(life, 20.0), Start)
    given_up = crash(life, 40.0)
    assert given_up == GiveUp("crash; no restart left of 2 in 60 s")
    assert life.phase is Phase.GIVEN_UP
    assert life.exited("crash", 55.0) is None and life.health("ok", 55.0) is None and life.tick(99.0) is None


def test_restarts_are_forgotten_after_the_window():
    life = Lifecycle(1, window=60.0)
    assert isinstance(crash(life, 0.0), Start)
    assert isinstance(crash(life, 65.0), Start)
    assert isinstance(crash(life, 85.0), GiveUp)


def test_who_dies_three_times_within_five_seconds_is_broken_and_not_unlucky():
    life = Lifecycle(99)
    assert isinstance(crash(life, 0.0, ran=4.9), Start) and isinstance(crash(life, 10.0, ran=1.0), Start)
    broken = crash(life, 1000.0, ran=0.1)
    assert isinstance(broken, GiveUp) and "3 times in a row within 5 s of its start: it is broken" in broken.reason


def test_who_lived_longer_in_between_is_unlucky():
    life = Lifecycle(99)
    for at, ran in ((0.0, 1.0), (10.0, 1.0), (20.0, 6.0), (30.0, 1.0), (40.0, 1.0)):
        assert isinstance(crash(life, at, ran), Start)


def test_whom_we_killed_did_not_die_quickly():
    life = Lifecycle(99)
    for at in (0.0, 10.0, 20.0, 30.0):
        life.started(at)
        life.health("ok", at)
        life.health("stuck", at + 1)
        assert isinstance(life.exited("killed by SIGKILL", at + 1.1), Start)


def test_without_a_budget_it_is_started_again_for_ever_ever_more_seldom():
    life = Lifecycle(None, longest_delay=30.0)
    delays, at = [], 0.0
    for _ in range(50):
        action = crash(life, at, ran=1.0)
        delays.append(action.delay)
        at += 1.0 + action.delay
    assert delays[:4] == [0.25, 0.5, 1.0, 2.0] and set(delays[8:]) == {30.0}


def test_a_best_effort_worker_that_is_stuck_is_left_alone_and_told_once():
    life = running(budget=0)
    assert life.health("stuck", 5.0) is not None
    assert life.health("stuck", 6.0) is None and not ticks(life, 7, 99)
    life.health("ok", 100.0)
    assert life.phase is Phase.RUNNING
    assert life.health("stuck", 109.0) == Leave("its lane is stuck; it has no restarts")


def test_a_worker_left_alone_is_killed_once_it_may_restart_again():
    life = Lifecycle(1, window=60.0)
    crash(life, 0.0)
    life.started(12.0)
    life.health("ok", 12.0)
    assert isinstance(life.health("stuck", 20.0), Leave)
    assert not ticks(life, 21, 70)
    assert ticks(life, 71, 72) == [Kill("its lane is stuck")]


def test_a_fallback_takes_over_from_a_worker_that_is_given_up():
    life = Lifecycle(0, fallback=True)
    assert crash(life, 0.0) == FallBack(0.25, "crash; it has no restarts")
    assert life.fell_back and life.phase is Phase.IDLE
    assert isinstance(crash(life, 20.0), GiveUp)


def test_a_fallback_takes_over_from_a_stuck_worker_without_a_restart_left():
    life = running(budget=0, fallback=True)
    assert isinstance(life.health("stuck", 5.0), Kill)
    assert isinstance(life.exited("killed by SIGKILL", 5.1), FallBack)


def test_a_fallback_has_restarts_of_its_own():
    life = Lifecycle(1, fallback=True)
    assert isinstance(crash(life, 0.0), Start) and isinstance(crash(life, 12.0), FallBack)
    assert isinstance(crash(life, 24.0), Start) and isinstance(crash(life, 36.0), GiveUp)


def test_nothing_is_started_again_while_stopping():
    life = running()
    life.stop()
    assert life.exited("ended with code 0", 5.0) is None
    assert life.health("stuck", 5.0) is None
    assert life.tick(99.0) is None


def test_a_new_manager_goes_on_with_the_restarts_of_the_old_one():
    old = Lifecycle(2)
    crash(old, 0.0)
    crash(old, 20.0)
    new = Lifecycle(2)
    new.restore(old.history(31.0), now=5.0, passed=10.0)  # another clock, ten seconds later
    assert new.left(5.0) == 0
    assert isinstance(crash(new, 5.0), GiveUp)
    new = Lifecycle(2)
    new.restore(old.history(31.0), now=5.0, passed=60.0)
    assert new.left(5.0) == 2


def test_a_worker_that_was_given_up_stays_so_until_it_is_mended():
    old = Lifecycle(0)
    crash(old, 0.0)
    new = Lifecycle(0)
    new.restore(old.history(31.0), now=5.0, passed=9999.0)
    assert new.phase is Phase.GIVEN_UP and "it has no restarts" in new.reason
    new.forgive()
    assert new.phase is Phase.IDLE and new.reason == ""


def test_a_fallback_goes_on_under_a_new_manager():
    old = Lifecycle(0, fallback=True)
    crash(old, 0.0)
    new = Lifecycle(0, fallback=True)
    new.restore(old.history(31.0), now=5.0, passed=1.0)
    assert new.fell_back and isinstance(crash(new, 5.0), GiveUp)


def test_a_camera_that_is_away_for_a_year_is_still_tried_again():
    life = Lifecycle(None, longest_delay=30.0)
    for number in range(20_000):
        life.started(30.0 * number)
        assert isinstance(action := life.exited("it is away", 30.0 * number + 0.1), Start)
    assert action.delay == 30.0


@pytest.mark.parametrize("change", [{"failures": -1}, {"failures": "x"}, {"restarts_ago": [float("nan")]}, {"restarts_ago": ["x"]},
                                    {"restarts_ago": [1.0] * 100_000}, {"given_up": []}, {"fell_back": 1}, {"quick": None}])
def test_a_history_that_is_not_right_changes_nothing(change):
    life = Lifecycle(3)
    before = life.history(1.0)
    with pytest.raises(ValueError):
        life.restore(before | {"failures": 2} | change, 1.0, 0.0)
    assert life.history(1.0) == before


def test_a_camera_that_never_gives_a_frame_is_asked_ever_more_seldom_however_long_each_try_takes():
    life = Lifecycle(None, longest_delay=30.0)
    delays = []
    for tried in range(1, 11):
        life.started(1000.0 * tried)
        life.health("waiting", 1000.0 * tried + 1)
        delays.append(life.exited("no frame for 60 s", 1000.0 * tried + 61).delay)
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] and life.failures == 10
    life.started(20000.0)
    life.health("ok", 20001.0)
    assert life.exited("the camera is gone", 20100.0).delay == 0.25
