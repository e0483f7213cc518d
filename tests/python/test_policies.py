# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which frames a slow worker misses, and that every account balances to the last frame."""

import pytest
import shmring
from conftest import attach, eventually, pattern


def balanced(lane):
    return lane["offered"] == lane["delivered"] + lane["dropped"] + lane["pending"]


@pytest.mark.parametrize(("policy", "seen"), [
    ("drop-newest", [1, 2, 3]),
    ("drop-oldest", [8, 9, 10]),
    ("latest", [10]),
])
@pytest.mark.parametrize("asked_by", ["reader", "publisher"])
def test_a_worker_that_sleeps_through_ten_frames_finds(path, policy, seen, asked_by):
    default, own = (policy, None) if asked_by == "publisher" else ("drop-newest", policy)
    with shmring.Publisher(path, format="GRAY8", width=8, height=6, drop_policy=default, depth=3) as publisher:
        with shmring.Reader(path, own, "sleeper") as reader:
            attach(reader)
            for _ in range(10):
                publisher.publish(pattern(6, 8))
            frames = []
            while (frame := reader.read(0)) is not None:
                frames.append(frame.sequence)
            assert frames == seen
            lane = publisher.stats()["accounts"][0]
            assert (lane["drop_policy"], lane["offered"], lane["delivered"], lane["dropped"]) == (policy, 10, len(seen), 10 - len(seen))
            assert reader.stats()["drop_policy"] == policy


def test_accounts_of_workers_of_all_kinds_balance(path, spawn):
    """One publisher, six workers in processes of their own, each frame stamped with its number in every byte."""
    work = """
        import sys, time, shmring
        path, policy, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
        last = taken = 0
        with shmring.Reader(path, policy, f"{policy} {pause}") as reader:
            print("ready")
            for frame in reader:
                assert frame.sequence > last, "repeated or out of order"
                assert frame.array.min() == frame.array.max() == frame.sequence % 256, "torn"
                last, taken = frame.sequence, taken + 1
                time.sleep(pause)
            print(taken)
    """
    import numpy as np

    with shmring.Publisher(path, format="GRAY8", width=320, height=240, max_readers=6) as publisher:
        workers = {}
        for policy in ("drop-newest", "drop-oldest", "latest"):
            for pause in (0.0, 0.02):
                workers[f"{policy} {pause}"] = spawn(path, policy, pause, code=work)
        for child in workers.values():
            assert child.line() == "ready"
        eventually(lambda: publisher.stats()["readers"] == len(workers))
        for number in range(1, 501):
            assert publisher.publish(np.full((240, 320), number % 256, np.uint8)) == number
        publisher.end()
        taken = {name: int(child.line()) for name, child in workers.items()}
        assert all(child.end() == ("", 0) for child in workers.values())
        lanes = {lane["worker"]: lane for lane in publisher.stats()["accounts"]}
        assert set(lanes) == set(workers)
        for name, lane in lanes.items():
            assert balanced(lane), lane
            assert (lane["offered"], lane["delivered"], lane["pending"]) == (500, taken[name], 0), lane
        stats = eventually(lambda: (stats := publisher.stats())["readers"] == 0 and stats["owned"] <= 1 and stats)
        assert stats["free_slots"] + stats["owned"] + stats["loaned"] == stats["slots"]


def test_a_stopped_worker_costs_the_publisher_no_frame_and_finds_the_newest_when_it_goes_on(path, spawn):
    import signal

    with shmring.Publisher(path, format="GRAY8", width=8, height=6, max_readers=2) as publisher:
        child = spawn(path, code="""
            import sys, shmring
            with shmring.Reader(sys.argv[1], "latest", "stopped") as reader:
                print("ready")
                while True:
                    with reader.read() as frame:
                        print(frame.sequence)
        """)
        with shmring.Reader(path, worker="other") as other:
            attach(other)
            assert child.line() == "ready"
            eventually(lambda: publisher.stats()["readers"] == 2)
            child.signal(signal.SIGSTOP)
            eventually(lambda: open(f"/proc/{child.pid}/stat", encoding="utf-8").read().split()[2] == "T")
            for number in range(1, 201):
                assert publisher.publish(pattern(6, 8)) == number
                assert other.read().sequence == number
            child.signal(signal.SIGCONT)
            assert child.line() == "200"
            lane = next(lane for lane in publisher.stats()["accounts"] if lane["worker"] == "stopped")
            assert balanced(lane) and lane["dropped"] >= 198
