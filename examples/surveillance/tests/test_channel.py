# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lines from children: whole or not at all, and never a wait."""

import pytest
from surveillance import channel


def test_lines_arrive_whole_and_in_order():
    ours, theirs = channel.pair()
    sender = channel.Sender(theirs.detach())
    for number in range(3):
        assert sender.send("frame", seq=number)
    messages, is_open = channel.receive(ours)
    assert is_open
    assert messages == [{"kind": "frame", "seq": number} for number in range(3)]


def test_a_supervisor_that_does_not_listen_costs_a_counted_line_and_no_wait():
    ours, theirs = channel.pair()
    sender = channel.Sender(theirs.detach())
    sent = sum(sender.send("frame", text="x" * 1000) for _ in range(2000))
    assert 0 < sent < 2000
    assert sender.lost == 2000 - sent
    assert len(channel.receive(ours)[0]) == sent
    assert sender.send("frame")


def test_a_supervisor_that_is_gone_is_noticed():
    ours, theirs = channel.pair()
    sender = channel.Sender(theirs.detach())
    ours.close()
    assert not sender.send("frame")
    assert sender.closed
    assert not sender.send("frame")


def test_a_child_that_is_gone_is_noticed_after_its_last_words():
    ours, theirs = channel.pair()
    with theirs:
        theirs.send(b'{"kind": "bye"}\n')
    assert channel.receive(ours) == ([{"kind": "bye"}], False)


def test_nonsense_is_reported_and_not_trusted():
    ours, theirs = channel.pair()
    for line in (b"not json", b"[1]", b'{"seq": 1}', b'{"kind": 7}', b"\xff\xfe"):
        theirs.send(line)
    assert [message["kind"] for message in channel.receive(ours)[0]] == ["unreadable"] * 5


def test_an_empty_packet_is_no_end():
    ours, theirs = channel.pair()
    with theirs:
        for line in (b"", b'{"kind": "frame"}', b""):
            theirs.send(line)
        assert channel.lines(ours) == ([b"", b'{"kind": "frame"}', b""], True)
    assert channel.lines(ours) == ([], False)


def test_what_is_taken_at_once_is_bounded_in_lines_and_in_bytes():
    ours, theirs = channel.pair()
    with theirs:
        for _ in range(20):
            theirs.send(b"x" * 1000)
        assert len(channel.lines(ours, 5)[0]) == 5
        assert len(channel.lines(ours)[0]) == 15
        theirs.send(b"x" * (channel.MAX_LINE + 1000))
        assert channel.receive(ours)[0][0]["kind"] == "unreadable"


def test_a_line_that_is_too_long_is_a_lost_line_and_not_the_end():
    ours, theirs = channel.pair()
    sender = channel.Sender(theirs.detach())
    assert not sender.send("event", text="x" * 10_000_000)
    assert (sender.lost, sender.closed) == (1, False)
    assert sender.send("event", text="x") and len(channel.receive(ours)[0]) == 1


@pytest.mark.parametrize("given", ["x", "", "99999", "-1", "0"])
def test_a_number_that_is_no_socket_is_told(monkeypatch, given):
    monkeypatch.setenv("REPORT_FD", given)
    with pytest.raises(SystemExit, match="REPORT_FD"):
        channel.Sender()


def test_without_a_supervisor_nothing_happens(monkeypatch):
    monkeypatch.delenv("REPORT_FD", raising=False)
    assert not channel.Sender().send("frame")
