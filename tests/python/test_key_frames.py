# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests for a key frame, from readers to the publisher's program."""

import threading

import pytest
import shmring
from conftest import attach, eventually


@pytest.fixture
def publisher(path):
    with shmring.Publisher(path, slot_size=100, caps="video/x-h264", max_readers=2) as made:
        yield made


def test_the_publisher_is_told_once(path, publisher):
    with shmring.Reader(path, worker="a") as first, shmring.Reader(path, worker="b") as second:
        attach(first)
        attach(second)
        assert not publisher.key_frame_requested()
        assert first.request_key_frame() is True
        assert second.request_key_frame() is True
        assert eventually(publisher.key_frame_requested)
        assert not publisher.key_frame_requested()


def test_another_thread_may_ask_while_one_reads(path, publisher):
    with shmring.Reader(path) as reader:
        attach(reader)
        thread = threading.Thread(target=reader.read)
        thread.start()
        assert reader.request_key_frame()
        assert eventually(publisher.key_frame_requested)
        publisher.publish(b"key")
        thread.join()


def test_without_a_publisher_it_is_false(path):
    with shmring.Reader(path) as reader:
        assert reader.request_key_frame() is False
        assert reader.attachments == 0
        with shmring.Publisher(path, slot_size=100):
            attach(reader)
            assert reader.request_key_frame() is True
            assert reader.attachments == 1 == reader.stats()["attachments"]
        assert eventually(lambda: reader.read(0) is None and not reader.request_key_frame())


def test_once_closed_it_is_an_error(path, publisher):
    reader = shmring.Reader(path)
    reader.close()
    with pytest.raises(shmring.Closed):
        reader.request_key_frame()
    publisher.close()
    with pytest.raises(shmring.Closed):
        publisher.key_frame_requested()
