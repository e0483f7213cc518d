# SPDX-License-Identifier: LGPL-2.1-or-later
"""The publisher's side in Python: what can be published, in place or copied, and what is refused."""

import fractions
import gc
import os
import threading
import time
import warnings

import numpy as np
import pytest
import shmring
from conftest import attach, eventually, pattern


@pytest.fixture
def publisher(path):
    with shmring.Publisher(path, format="BGR", width=8, height=6, max_readers=2) as publisher:
        yield publisher


@pytest.fixture
def reader(publisher, path):
    with shmring.Reader(path, worker="test") as reader:
        yield attach(reader)


IMAGE = pattern(6, 8, 3)


@pytest.mark.parametrize("data", [IMAGE, IMAGE.tobytes(), bytearray(IMAGE), memoryview(IMAGE), IMAGE.ravel()],
                         ids=["array", "bytes", "bytearray", "memoryview", "flat"])
def test_any_contiguous_buffer_of_the_right_size_can_be_published(publisher, reader, data):
    assert publisher.publish(data) == 1
    np.testing.assert_array_equal(reader.read().array, IMAGE)


def test_a_buffer_with_gaps_is_refused(publisher):
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        publisher.publish(pattern(6, 16, 3)[:, ::2])
    with pytest.raises(TypeError):
        publisher.publish("text")


def test_a_frame_of_the_wrong_size_is_refused_with_both_figures(publisher):
    with pytest.raises(shmring.Invalid, match="BGR 8x6 has 144 bytes, not 143"):
        publisher.publish(bytes(143))


def test_a_frame_that_does_not_fit_is_refused_and_counted(path):
    with shmring.Publisher(path, slot_size=100) as publisher:
        with pytest.raises(shmring.TooLarge, match="101.*100|100.*101"):
            publisher.publish(bytes(101))
        assert publisher.publish(bytes(100)) is not None
        assert publisher.stats()["dropped_too_large"] == 1


def test_only_the_first_bytes_of_a_buffer_can_be_published(path):
    with shmring.Publisher(path, slot_size=100) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        publisher.publish(b"abcdef", size=3)
        assert bytes(reader.read()) == b"abc"
        with pytest.raises(shmring.Invalid, match="shorter"):
            publisher.publish(b"abcdef", size=7)


def test_a_loan_is_filled_in_place_and_published_without_a_copy(publisher, reader):
    with publisher.loan() as loan:
        assert loan.capacity == 144
        loan.array[:] = IMAGE
        assert publisher.publish(loan, pts=5) == 1
    frame = reader.read()
    np.testing.assert_array_equal(frame.array, IMAGE)
    assert frame.pts == 5
    assert publisher.stats()["copied"] == 0


def test_a_loan_of_bytes_says_how_many_it_uses(path):
    with shmring.Publisher(path, slot_size=100, caps="image/jpeg") as publisher, shmring.Reader(path) as reader:
        attach(reader)
        loan = publisher.loan()
        loan.array[:4] = list(b"jpeg")
        publisher.publish(loan, size=4)
        assert bytes(reader.read()) == b"jpeg"


def test_a_loan_whose_array_lives_cannot_be_published_because_a_published_frame_never_changes(publisher, reader):
    loan = publisher.loan()
    row = loan.array[2]
    with pytest.raises(BufferError, match="still alive"):
        publisher.publish(loan)
    del row
    plane = loan.planes[0]
    with pytest.raises(BufferError, match="still alive"):
        publisher.publish(loan)
    del plane
    assert publisher.publish(loan) == 1


def test_a_loan_can_be_published_once(publisher, reader):
    loan = publisher.loan()
    publisher.publish(loan)
    for use in (lambda: publisher.publish(loan), lambda: loan.array, lambda: loan.capacity):
        with pytest.raises(shmring.Invalid, match="ended"):
            use()
    assert repr(loan) == "<shmring.Loan, ended>"


def test_a_loan_belongs_to_its_publisher(publisher, tmp_path):
    with shmring.Publisher(tmp_path / "other.sock", slot_size=144) as other:
        with pytest.raises(shmring.Invalid, match="another publisher"):
            other.publish(publisher.loan())


def test_a_loan_that_is_dropped_discarded_or_left_goes_back(publisher):
    def loaned():
        return publisher.stats()["loaned"]

    loan = publisher.loan()
    assert loaned() == 1
    del loan
    assert loaned() == 0
    loan = publisher.loan()
    loan.discard()
    assert loaned() == 0
    with publisher.loan():
        assert loaned() == 1
    assert loaned() == 0
    with pytest.raises(RuntimeError), publisher.loan():
        raise RuntimeError
    assert loaned() == 0
    assert publisher.stats()["offered"] == 0


def test_a_discarded_loan_is_not_given_away_while_an_array_could_write_to_it(publisher, reader):
    loan = publisher.loan()
    array = loan.array
    loan.discard()
    assert publisher.stats()["loaned"] == 1
    for _ in range(50):
        publisher.publish(np.zeros((6, 8, 3), np.uint8))
        frame = reader.read()
        array[:] = 255
        assert not frame.array.any()
        del frame
    del array
    assert publisher.stats()["loaned"] == 0


def test_more_loans_than_agreed_is_full(path):
    with shmring.Publisher(path, slot_size=10, loans=2) as publisher:
        loans = [publisher.loan(), publisher.loan()]
        with pytest.raises(shmring.Full):
            loans.append(publisher.loan())
        loans.pop()
        loans.append(publisher.loan())


def test_an_array_of_a_loan_outlives_its_publisher(path):
    publisher = shmring.Publisher(path, slot_size=10)
    array = publisher.loan().array
    publisher.close()
    del publisher
    gc.collect()
    array[:] = 7
    assert (array == 7).all()
    del array
    assert not os.path.exists(path)


def test_with_no_slot_free_the_frame_is_dropped_and_counted(path):
    with shmring.Publisher(path, slot_size=10, slots=8, depth=2, max_held=2) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        loans = []
        while True:
            try:
                loans.append(publisher.loan())
            except shmring.Full:
                break
        numbers = [publisher.publish(b"x") for _ in range(10)]
        stats = publisher.stats()
        assert stats["offered"] == 10
        assert stats["dropped_no_slot"] == numbers.count(None)
        lane = stats["accounts"][0]
        assert lane["offered"] == lane["delivered"] + lane["dropped"] + lane["pending"] == 10


def test_a_larger_format_makes_a_larger_ring_and_readers_follow(publisher, reader):
    publisher.publish(IMAGE)
    publisher.set_format("GRAY8", 200, 100)
    publisher.publish(pattern(100, 200))
    assert reader.read().array.shape == (6, 8, 3)
    big = reader.read()
    np.testing.assert_array_equal(big.array, pattern(100, 200))
    assert publisher.stats()["slot_size"] >= 20000


def test_a_ring_can_be_given_larger_slots(path):
    with shmring.Publisher(path, slot_size=10) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        publisher.resize(1000)
        publisher.publish(bytes(1000))
        assert reader.read().size == 1000


def test_the_latency_reaches_the_readers(publisher, reader):
    publisher.set_latency(0.25)
    publisher.publish(IMAGE)
    reader.read()
    assert reader.latency == 0.25


def test_threads_may_publish_at_once(publisher, reader):
    seen = []
    taking = threading.Thread(target=lambda: seen.extend(frame.sequence for frame in reader))
    taking.start()
    threads = [threading.Thread(target=lambda: [publisher.publish(IMAGE) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publisher.end()
    taking.join()
    lane = publisher.stats()["accounts"][0]
    assert publisher.stats()["offered"] == 800
    assert lane["delivered"] == len(seen) and lane["offered"] == lane["delivered"] + lane["dropped"]


def test_the_socket_has_the_permissions_asked_for(tmp_path):
    for perms in (0o600, 0o660):
        with shmring.Publisher(tmp_path / "ring.sock", slot_size=10, perms=perms):
            assert os.stat(tmp_path / "ring.sock").st_mode & 0o777 == perms


@pytest.mark.parametrize(("options", "sentence"), [
    ({}, "slot_size, or format"),
    ({"format": "YUY3", "width": 8, "height": 8}, "YUY3"),
    ({"format": "BGR", "width": 0, "height": 8}, "0x8"),
    ({"slot_size": 10, "drop_policy": "any"}, "drop-newest"),
    ({"slot_size": 10, "max_readers": 1000}, "63"),
    ({"slot_size": 10, "depth": 0}, "256"),
])
def test_wrong_arguments_are_refused_with_what_would_be_right(path, options, sentence):
    with pytest.raises(shmring.Invalid, match=sentence):
        shmring.Publisher(path, **options)


def test_a_closed_publisher_says_so(publisher, path):
    publisher.close()
    publisher.close()
    assert publisher.closed and not os.path.exists(path)
    for use in (lambda: publisher.publish(IMAGE), publisher.loan, publisher.stats, publisher.end, lambda: publisher.resize(5)):
        with pytest.raises(shmring.Closed, match="publisher is closed"):
            use()


def test_a_publisher_that_is_forgotten_leaves_nothing(path):
    publisher = shmring.Publisher(path, slot_size=10)
    assert os.path.exists(path)
    del publisher
    eventually(lambda: not os.path.exists(path))


def test_a_picture_that_is_not_whole_is_refused_and_readers_go_on(path):
    with shmring.Publisher(path, format="BGR", width=8, height=6) as publisher, shmring.Reader(path, worker="test") as reader:
        attach(reader)
        image = pattern(6, 8, 3)
        publisher.publish(image)
        loan = publisher.loan()
        with pytest.raises(shmring.Invalid, match="BGR of 8x6"):
            publisher.publish(loan, size=10)
        publisher.publish(image)
        publisher.end()
        assert [frame.array.shape for frame in reader] == [(6, 8, 3)] * 2
        stats = publisher.stats()
        assert (stats["dropped_malformed"], stats["published"], stats["offered"]) == (1, 2, 3)


def test_a_frame_without_times_has_that_of_publishing(publisher, reader):
    before = time.monotonic_ns()
    publisher.publish(pattern(6, 8, 3))
    assert before <= reader.read().pts <= time.monotonic_ns()


def test_a_time_of_the_wall_clock_is_converted_and_told_once(publisher, reader):
    before = time.monotonic_ns()
    with pytest.warns(RuntimeWarning, match=r"time\.monotonic_ns\(\)"):
        publisher.publish(pattern(6, 8, 3), pts=time.time_ns(), dts=time.time_ns())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        publisher.publish(pattern(6, 8, 3), pts=time.time_ns())
    first, second = reader.read(), reader.read()
    margin = 1_000_000_000  # between two readings of the clocks
    assert before - margin <= first.pts <= first.dts <= time.monotonic_ns() + margin
    assert first.pts < second.pts


def test_other_times_are_left_as_they_are(publisher, reader):
    for pts in (0, 40_000_000, 2**60):
        publisher.publish(pattern(6, 8, 3), pts=pts)
        assert reader.read().pts == pts


def test_the_latency_may_be_given_at_once(path):
    with shmring.Publisher(path, format="GRAY8", width=64, height=48, latency=0.25), shmring.Reader(path, "latest", "latency") as reader:
        assert attach(reader).latency == 0.25
    with pytest.raises(TypeError, match="seconds"):
        shmring.Publisher(path, format="GRAY8", width=64, height=48, latency="long")
    with shmring.Publisher(path, format="GRAY8", width=64, height=48):
        pass  # the one that failed left nothing


def test_the_latency_is_measured_until_it_is_given(publisher, reader):
    attach(reader)
    assert reader.latency == 0
    publisher.publish(pattern(6, 8, 3), pts=time.monotonic_ns() - 500_000_000)
    assert 0.5 <= reader.latency <= 60
    publisher.publish(pattern(6, 8, 3), pts=1)  # of no clock that we know
    publisher.set_latency(0.25)
    publisher.publish(pattern(6, 8, 3), pts=time.monotonic_ns() - 900_000_000)
    assert reader.latency == 0.25


@pytest.mark.parametrize(("framerate", "caps"), [(None, "0/1"), (30, "30/1"), (12.5, "25/2"), (fractions.Fraction(30000, 1001), "30000/1001")])
def test_caps_have_the_frame_rate(path, framerate, caps):
    with shmring.Publisher(path, format="BGR", width=8, height=6, framerate=framerate) as publisher:
        assert f"framerate=(fraction){caps}" in publisher.stats()["caps"]
        publisher.set_format("BGR", 8, 6, framerate=framerate)
        assert f"framerate=(fraction){caps}" in publisher.stats()["caps"]


@pytest.mark.parametrize("framerate", [0, -1, "fast", float("nan"), float("inf"), object()])
def test_a_frame_rate_that_is_none_is_refused(path, framerate):
    with pytest.raises(shmring.Invalid, match="frames a second"):
        shmring.Publisher(path, format="BGR", width=8, height=6, framerate=framerate)


def test_former_names_of_options_and_of_the_sequence_are_taken(path):
    with shmring.Publisher(path=path, policy="latest", format="GRAY8", width=8, height=6) as publisher:
        with shmring.Reader(path=path, policy="drop-oldest") as reader:
            publisher.publish(np.zeros((6, 8), np.uint8))
            frame = reader.read(10)
            assert frame.seq == frame.sequence == 1
            assert reader.stats()["drop_policy"] == "drop-oldest"
