# SPDX-License-Identifier: LGPL-2.1-or-later
"""Accounts, their course, and the checks of the report: each must be able to fail."""

from surveillance import report
from surveillance.drill import Neighbour, Outcome
from surveillance.gaps import Gaps
from surveillance.messages import Frame, Lane
from surveillance.record import Account, Record, percentile


def books(offered, delivered, dropped=0, pending=0):
    return Lane("w", 1, offered, delivered, dropped, pending, {})


def record(offered=10, delivered=7, dropped=2, pending=1, told=7, **changes):
    made = Record("w", **changes)
    made.took_stats(books(offered, delivered, dropped, pending), 1.0)
    made.heard = told
    return made


def test_an_account_that_balances_is_accepted():
    assert report.balance(record()).holds


def test_an_account_that_loses_a_frame_is_refused():
    assert not report.balance(record(delivered=6)).holds


def test_an_account_that_was_wrong_once_is_refused_also_if_it_is_right_at_the_end():
    made = record(delivered=6)
    made.took_stats(books(20, 18, 2), 2.0)
    assert not report.balance(made).holds


def test_a_worker_that_was_offered_nothing_is_refused():
    assert not report.balance(record(0, 0, 0, 0)).holds


def test_what_the_worker_took_must_be_what_the_publisher_delivered():
    assert report.heard(record(told=7)).holds
    assert not report.heard(record(told=6)).holds
    assert not report.heard(record(told=8, abrupt_ends=1)).holds


def test_one_frame_may_die_with_each_process():
    assert report.heard(record(told=6, abrupt_ends=1)).holds
    assert not report.heard(record(told=5, abrupt_ends=1)).holds


def neighbour(keeps_up=True, before=0, during=0, alone=0, cpu_wait=0.0):
    return Neighbour("n", keeps_up, Account(10, 10 - before, before, 0), Account(10, 10 - during, during, 0), alone,
                     cpu_wait, seconds=1.0)


def outcome(*others, **changes):
    course = {"seen_after": 0.1, "recovered_after": 1.0, **changes}
    return Outcome("w", "SIGKILL", 9.0, "dead", others=list(others), **course)


def held(outcome):
    return [check.holds for check in report.fault(outcome)]


def test_a_fault_that_was_seen_and_cost_no_other_anything_passes():
    assert held(outcome(neighbour(), neighbour(keeps_up=False, before=5, during=6))) == [True, True]


def test_a_fault_that_was_not_seen_or_not_repaired_fails():
    assert held(outcome(neighbour(), seen_after=None)) == [False, True]
    assert held(outcome(neighbour(), recovered_after=None)) == [False, True]


def test_a_neighbour_that_lost_a_frame_fails_the_fault():
    assert held(outcome(neighbour(during=1))) == [True, False]
    assert held(outcome(neighbour(keeps_up=False, alone=1))) == [True, False]
    assert held(outcome(neighbour(), no_slot=1)) == [True, False]


def test_a_loss_is_no_proof_only_where_the_machine_was_too_busy_for_so_many_frames():
    assert held(outcome(neighbour(during=3, cpu_wait=0.31))) == [True, True]
    assert held(outcome(neighbour(during=3, cpu_wait=0.2))) == [True, False]
    assert held(outcome(neighbour(keeps_up=False, alone=3, cpu_wait=0.2))) == [True, False]
    assert held(outcome(neighbour(cpu_wait=9.0), no_slot=1)) == [True, False]


def test_a_fault_without_neighbours_proves_nothing():
    assert held(outcome()) == [True, False]


def test_the_course_of_an_account_tells_what_happened_in_between():
    made = Record("w")
    for at, offered in ((1.0, 10), (2.0, 20), (3.0, 40)):
        made.took_stats(books(offered, offered), at)
    assert made.between(1.5, 3.5) == Account(30, 30, 0, 0)
    assert made.between(0.0, 2.5).offered == 20


def test_a_record_is_bounded():
    made = Record("w")
    for at in range(10000):
        made.took_stats(books(1, 0), at)
        made.took_frame(Frame(age=0.1, work=0.1, alone=1), at)
        made.took_state("ok", "", at)
    kept = (made.course, made.ages, made.works, made.alone, made.states, made.unbalanced)
    assert max(map(len, kept)) <= 4096


def test_percentiles_of_few_and_of_none():
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.99) == 3.0
    assert percentile(range(100), 0.5) == 50
    assert percentile(range(100), 0.99) == 99


def test_frames_missed_while_busy_are_the_workers_own():
    gaps = Gaps()
    assert gaps.took(1, 0.0) == (0, 0)
    gaps.free(0.35)  # frames 2, 3 and 4 came and went meanwhile; 4 at 0.3 is taken at once
    assert gaps.took(4, 0.3) == (2, 0)
    gaps.free(0.38)
    assert gaps.took(5, 0.4) == (0, 0)


def test_frames_missed_while_free_are_not_the_workers_own():
    gaps = Gaps()
    gaps.took(1, 0.0)
    gaps.free(0.01)
    assert gaps.took(5, 0.4) == (3, 3)
    gaps.free(0.62)  # 6 and 7 came while it was busy, 8 and 9 while it was free
    assert gaps.took(10, 0.9) == (4, 2)
