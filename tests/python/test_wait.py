# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting: for how long, without the GIL, and what ends it."""

import inspect
import select
import signal
import threading
import time

import pytest
import shmring
from conftest import attach, eventually, pattern


@pytest.fixture
def publisher(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        yield publisher


@pytest.fixture
def reader(path):
    with shmring.Reader(path, worker="waiter") as reader:
        yield reader


def send(publisher):
    assert publisher.publish(pattern(6, 8))


class Waiting:
    """A thread inside a call, and what the call came to."""

    def __init__(self, call):
        self.result = None
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self.thread.start()

    def _run(self, call):
        try:
            self.result = call()
        except BaseException as error:
            self.result = error

    def outcome(self):
        self.thread.join()
        return self.result


def test_a_read_in_vain_takes_its_time_and_returns_none(publisher, reader):
    attach(reader)
    for timeout in (0, 0.0, 0.05, 0.25):
        start = time.monotonic()
        assert reader.read(timeout) is None
        assert reader.latest(timeout=timeout) is None
        assert time.monotonic() - start >= 2 * timeout


def test_a_read_waits_for_a_publisher_that_does_not_exist_yet(path, reader):
    assert reader.read(0) is None and reader.read(0.05) is None
    assert not reader.connected
    waiting = Waiting(reader.read)
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        send(publisher)
        assert waiting.outcome().sequence == 1
        assert reader.connected


def test_a_read_without_a_timeout_waits_longer_than_one_slice(publisher, reader):
    waiting = Waiting(attach(reader).read)
    time.sleep(0.35)
    assert waiting.result is None
    send(publisher)
    assert waiting.outcome().sequence == 1


@pytest.mark.parametrize("wrong", [-1, float("nan"), "soon"])
def test_a_timeout_is_a_number_of_seconds(reader, wrong):
    with pytest.raises((shmring.Invalid, TypeError)):
        reader.read(wrong)


@pytest.mark.parametrize("name", ["read", "latest"])
def test_the_timeout_is_the_one_argument_by_place_or_by_name(publisher, reader, name):
    take = getattr(reader, name)
    assert take(0) is None and take(timeout=0) is None
    for places, names in ((0, 0), {}), ((0,), {"timeout": 0}), ((), {"seconds": 0}), ((), {"timeout": 0, "seconds": 0}):
        with pytest.raises(TypeError, match="timeout"):
            take(*places, **names)
    with pytest.raises(TypeError):
        getattr(shmring.Reader, name)(object(), 0)
    assert str(inspect.signature(getattr(shmring.Reader, name))) == "(self, /, timeout=None)"


def test_for_ever_can_be_said_as_infinity(publisher, reader):
    attach(reader)
    send(publisher)
    assert reader.read(float("inf")).sequence == 1


def test_other_threads_run_while_one_waits(publisher, reader):
    waiting = Waiting(attach(reader).read)
    count = 0
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        count += 1
    assert waiting.result is None
    assert count > 1000  # with the GIL held by the waiting thread it would be none at all
    send(publisher)
    assert waiting.outcome().sequence == 1


def test_threads_may_share_a_reader_and_each_frame_goes_to_one_of_them(publisher, reader):
    attach(reader)
    waiting = [Waiting(reader.read) for _ in range(4)]
    for _ in range(4):
        send(publisher)
    assert sorted(thread.outcome().sequence for thread in waiting) == [1, 2, 3, 4]


def test_latest_skips_to_the_newest(publisher, reader):
    attach(reader)
    for _ in range(5):
        send(publisher)
    assert reader.latest().sequence == 5
    assert reader.latest(0) is None


def test_flush_gives_up_what_waits(publisher, reader):
    attach(reader)
    for _ in range(3):
        send(publisher)
    reader.flush()
    assert reader.read(0) is None
    assert reader.stats()["stale"] == 3


def test_close_from_another_thread_ends_the_wait(publisher, reader):
    attach(reader)
    waiting = Waiting(reader.read)
    time.sleep(0.05)
    reader.close()
    assert isinstance(waiting.outcome(), shmring.Closed)
    assert reader.closed


def test_close_from_another_thread_ends_a_loop(publisher, reader):
    attach(reader)
    waiting = Waiting(lambda: [frame.sequence for frame in reader])
    send(publisher)
    eventually(lambda: reader.stats()["taken"] == 1)
    reader.close()
    assert waiting.outcome() == [1]


def test_a_closed_reader_says_so(publisher, reader):
    reader.close()
    reader.close()
    for use in (reader.read, reader.latest, reader.fileno, reader.stats, reader.flush, reader.interrupt, lambda: reader.connected):
        with pytest.raises(shmring.Closed, match="reader is closed"):
            use()
    assert list(reader) == []


def test_interrupt_ends_every_wait_until_it_is_taken_back(publisher, reader):
    attach(reader)
    waiting = Waiting(reader.read)
    time.sleep(0.05)
    reader.interrupt()
    assert isinstance(waiting.outcome(), shmring.Interrupted)
    with pytest.raises(shmring.Interrupted):
        reader.read(0)
    reader.interrupt(False)
    send(publisher)
    assert reader.read().sequence == 1


def test_the_end_comes_after_the_last_frame_and_ends_a_loop(publisher, reader):
    attach(reader)
    for _ in range(3):
        send(publisher)
    publisher.end()
    assert [frame.sequence for frame in reader] == [1, 2, 3]
    for _ in range(2):
        with pytest.raises(shmring.End):
            reader.read()
        with pytest.raises(EOFError):
            reader.latest(1)


def test_a_second_loop_after_the_end_waits_for_the_next_stream_and_ends_again_without_spinning(path):
    with shmring.Reader(path) as reader:
        for _ in range(2):  # the second time with the next publisher
            with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
                attach(reader)
                send(publisher)
                publisher.end()
                assert [frame.sequence for frame in reader] == [1]
                began = time.monotonic()
                for _ in range(2):
                    assert list(reader) == []
                assert time.monotonic() - began >= 0.9  # each waited for a next stream
                send(publisher)
                assert next(reader).sequence == 2
                publisher.end()
                assert list(reader) == []


def test_without_reconnect_a_loop_after_the_end_hears_that_the_publisher_is_gone(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher, shmring.Reader(path, reconnect=False) as reader:
        attach(reader)
        publisher.end()
        assert list(reader) == []
        publisher.close()
        with pytest.raises(shmring.Disconnected):
            list(reader)


def test_a_publisher_that_closes_without_an_end_ends_no_loop(path):
    with shmring.Reader(path) as reader:
        for _ in range(3):
            with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
                send(publisher)
                assert next(reader).sequence == 1
        assert reader.read(0.2) is None


def test_old_frames_are_passed_over_and_counted(path, publisher):
    with shmring.Reader(path, max_frame_age=0.02) as reader:
        attach(reader)
        send(publisher)
        time.sleep(0.05)
        assert reader.read(0) is None
        assert reader.stats()["stale"] == 1


LOOP = """
    import sys, shmring
    reader = shmring.Reader(sys.argv[1])
    try:
        print("waits")
        {wait}
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("wait", ["reader.read()", "reader.read(1000)", "reader.latest()", "next(reader)"])
@pytest.mark.parametrize("there", [True, False], ids=["attached", "searching"])
def test_ctrl_c_ends_a_wait(path, spawn, wait, there):
    publisher = shmring.Publisher(path, slot_size=10) if there else None
    child = spawn(path, code=LOOP.format(wait=wait))
    assert child.line() == "waits"
    if there:
        eventually(lambda: publisher.stats()["readers"] == 1)
    child.signal(signal.SIGINT)
    assert child.line() == "interrupted"
    assert child.end() == ("", 0)


def test_a_signal_handler_runs_during_a_wait_and_the_wait_goes_on(path, spawn, publisher):
    child = spawn(path, code="""
        import signal, sys, shmring
        signal.signal(signal.SIGUSR1, lambda *_: print("signalled"))
        reader = shmring.Reader(sys.argv[1])
        print("waits")
        print(reader.read().sequence)
    """)
    assert child.line() == "waits"
    eventually(lambda: publisher.stats()["readers"] == 1)
    child.signal(signal.SIGUSR1)
    assert child.line() == "signalled"
    send(publisher)
    assert child.line() == "1"


def test_the_descriptor_is_readable_when_a_frame_is_there_and_quiet_when_not(publisher, reader):
    attach(reader)

    def readable(timeout):
        return bool(select.select([reader], [], [], timeout)[0])

    def quiet():  # as everywhere, it may be readable once for nothing
        return reader.read(0) is None and not readable(0)

    eventually(quiet)
    for number in range(1, 4):
        send(publisher)
        assert readable(None)
        assert reader.read(0).sequence == number
        eventually(quiet)
    publisher.end()
    assert readable(None)


def paced(path, rate=20):
    return attach(shmring.Reader(path, "latest", worker="waiter", max_rate=rate))


@pytest.mark.parametrize("take", ["read", "latest", "__next__"])
def test_a_reader_with_a_rate_takes_no_more_frames_and_the_newest_ones(path, publisher, take):
    with paced(path) as reader:
        start = time.monotonic()
        for _ in range(5):
            for _ in range(4):
                send(publisher)
            getattr(reader, take)()
        assert time.monotonic() - start >= 4 / 20
        assert reader.stats()["last_sequence"] == 20


def test_a_reader_with_a_rate_is_not_woken_for_frames_that_it_does_not_take(path, publisher):
    with paced(path, 0.01) as reader:
        send(publisher)
        assert reader.read()
        wakeups = publisher.stats()["accounts"][0]["wakeups"]
        waiting = Waiting(reader.read)
        for _ in range(50):
            send(publisher)
            time.sleep(0.001)
        assert publisher.stats()["accounts"][0]["wakeups"] == wakeups
        reader.close()
        assert isinstance(waiting.outcome(), shmring.Closed)


def test_time_limits_hold_while_a_rate_allows_no_frame(path, publisher):
    with paced(path, 0.01) as reader:
        send(publisher)
        assert reader.read()
        send(publisher)
        start = time.monotonic()
        assert reader.read(0) is None and reader.latest(0.15) is None
        assert time.monotonic() - start >= 0.15


def test_interrupt_ends_the_wait_of_a_reader_with_a_rate(path, publisher):
    with paced(path, 0.01) as reader:
        send(publisher)
        assert reader.read()
        waiting = Waiting(reader.read)
        reader.interrupt()
        assert isinstance(waiting.outcome(), shmring.Interrupted)


def test_threads_that_share_a_reader_share_its_rate(path, publisher):
    with paced(path, 10) as reader:
        start = time.monotonic()
        threads = [Waiting(reader.read) for _ in range(4)]
        stop = threading.Event()

        def publish():
            while not stop.wait(0.002):
                publisher.publish(pattern(6, 8))

        publishing = Waiting(publish)
        assert all(isinstance(thread.outcome(), shmring.Frame) for thread in threads)
        assert time.monotonic() - start >= 0.3
        stop.set()
        publishing.outcome()


@pytest.mark.parametrize("rate", [-1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(path, rate):
    with pytest.raises(shmring.Invalid, match="max_rate"):
        shmring.Reader(path, max_rate=rate)


def test_the_descriptor_of_a_reader_with_a_rate_keeps_to_it(path, publisher):
    with paced(path, 10) as reader:
        poll = select.poll()
        poll.register(reader.fileno(), select.POLLIN)
        start = time.monotonic()
        for _ in range(4):
            send(publisher)
            assert poll.poll()
            assert reader.read(0)
        assert time.monotonic() - start >= 0.3


def test_the_descriptor_of_a_reader_with_a_rate_is_quiet_in_between(path, publisher):
    with paced(path, 0.01) as reader:
        send(publisher)
        assert reader.read()
        send(publisher)
        assert select.select([reader], [], [], 0.05)[0] == []
