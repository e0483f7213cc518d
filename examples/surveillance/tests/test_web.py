# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page's server: what it answers, whom it refuses, and that no client can hold it up."""

import asyncio
import json
import socket
import threading
import time

import aiohttp
import pytest
from web_fixture import Pretend, camera, result, served, until, worker

from surveillance.jpeg import with_sequence
from surveillance.web import connections, server, stream
from surveillance.web.stream import MOST_CLIENTS

ONE = camera(workers=[worker("person"), worker("vlm", "stuck", reason="held for 3 s")])
PATHS = ("/", "/page.css", "/page.js", "/plots.js", "/parts.js", "/icon.svg", "/snapshot", "/metrics", "/events.jsonl", "/healthz")


@pytest.fixture
def pretend(tmp_path):
    return Pretend(tmp_path, ONE)


def run(pretend, test, **settings):
    """test(session, address, web) in a loop with the page."""
    async def inside():
        async with served(pretend, **settings) as (web, address), aiohttp.ClientSession() as session:
            await test(session, address, web)
    asyncio.run(asyncio.wait_for(inside(), 60))


def test_every_path_is_answered_with_the_headers_that_keep_it_to_itself(pretend):
    pretend.event()

    async def test(session, address, _web):
        for path in PATHS:
            for method in ("GET", "HEAD"):
                async with session.request(method, address + path) as answer:
                    assert answer.status == 200, path
                    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
                    assert "Server" not in answer.headers
                    assert bool(await answer.read()) == (method == "GET"), path
    run(pretend, test)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_but_reading_is_allowed(pretend, method):
    async def test(session, address, _web):
        for path in (*PATHS, "/events"):
            async with session.request(method, address + path, data=b"x") as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    run(pretend, test)


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1:8088", 200), ("localhost", 200), ("[::1]:80", 200), ("192.0.2.7", 200), ("cameras.example:8088", 200),
    ("CAMERAS.example", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421),
    ("evil.example@127.0.0.1", 421), ("[::1", 421), ("", 421),
])
def test_a_foreign_name_finds_nothing(pretend, host, status):
    async def test(session, address, _web):
        async with session.get(address + "/snapshot", headers={"Host": host}) as answer:
            assert answer.status == status
            assert ("front" in await answer.text()) == (status == 200)
    run(pretend, test, names=("cameras.example",))


def test_a_foreign_page_is_refused(pretend):
    async def test(session, address, _web):
        for origin, status in ((address, 200), ("http://evil.example", 403), ("null", 403), ("http://[::1", 403)):
            async with session.get(address + "/snapshot", headers={"Origin": origin}) as answer:
                assert answer.status == status
    run(pretend, test)


def test_the_snapshot_says_what_the_manager_says(pretend):
    async def test(session, address, _web):
        async with session.get(address + "/snapshot") as answer:
            told = await answer.json()
        assert told["cameras"] == json.loads(json.dumps([ONE]))
        assert [trouble["worker"] for trouble in told["troubles"]] == ["vlm"]
    run(pretend, test)


def test_whoever_asks_how_often_the_snapshot_is_taken_once_a_second(pretend):
    async def test(session, address, _web):
        before, begin = pretend.asked, time.monotonic()
        for _ in range(300):
            async with session.get(address + "/metrics") as answer:
                await answer.read()
        assert pretend.asked - before <= time.monotonic() - begin + 1
    run(pretend, test)


def test_only_what_a_new_start_can_mend_is_unhealthy(pretend):
    pretend.cameras = [camera(workers=[worker("person"), worker("vlm", "stuck"), worker("flow", "starved"), worker("a b", "dead")])]

    async def test(session, address, _web):
        for name, status in {"person": 200, "vlm": 503, "flow": 200, "a%20b": 503, "nobody": 404}.items():
            async with session.get(f"{address}/healthz/front/{name}") as answer:
                assert answer.status == status, name
    run(pretend, test)


def test_the_newest_picture_is_shown_and_no_other_file(pretend):
    album = pretend.folder / "front" / "album"
    album.mkdir(parents=True)
    (album / "person.jpg").write_bytes(b"picture")
    (pretend.folder / "secret.jpg").write_bytes(b"secret")

    async def test(session, address, _web):
        async with session.get(address + "/pictures/front/person.jpg") as answer:
            assert (answer.status, await answer.read(), answer.content_type) == (200, b"picture", "image/jpeg")
        for path in ("front/vlm.jpg", "front/nobody.jpg", "back/person.jpg", "front/..%2f..%2fsecret.jpg", "..%2fsecret.jpg"):
            async with session.get(f"{address}/pictures/{path}") as answer:
                assert answer.status == 404, path
    run(pretend, test)


def test_a_picture_says_of_which_frame_it_is_and_its_result_is_to_be_had(pretend):
    album = pretend.folder / "front" / "album"
    album.mkdir(parents=True)
    (album / "person.jpg").write_bytes(with_sequence(b"\xff\xd8picture", 41))
    pretend.results["front", "person"] = result(41, (1, 2, 3, 4))
    asked = []
    find = pretend.find
    pretend.find = lambda *names: asked.append(names[2]) or find(*names)

    async def test(session, address, _web):
        async with session.get(address + "/pictures/front/person.jpg") as answer:
            assert answer.headers["Frame-Sequence"] == "41"
        for wanted in ("?sequence=41", "", "?sequence=-1", "?sequence=²", "?sequence=" + "9" * 5000, "?sequence="):
            async with session.get(f"{address}/results/front/person.json{wanted}") as answer:
                assert (answer.status, answer.content_type, (await answer.json())["sequence"]) == (200, "application/json", 41)
        for path in ("front/vlm.json", "front/nobody.json", "back/person.json", "front/..%2fperson.json"):
            async with session.get(f"{address}/results/{path}") as answer:
                assert answer.status == 404, path
    run(pretend, test)
    assert asked[:6] == [41, None, None, None, None, None]


async def messages(answer):
    """kind, data of each server-sent event."""
    kind = None
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


def test_events_come_as_they_happen_after_those_before(pretend):
    pretend.event(text="before")

    async def test(session, address, _web):
        async with session.get(address + "/events") as answer:
            assert answer.content_type == "text/event-stream"
            stream = messages(answer)
            kind, hello = await anext(stream)
            assert (kind, [event["text"] for event in hello["events"]]) == ("hello", ["before"])
            assert (await anext(stream))[0] == "now"
            pretend.event(text="a line\nbreak, and ünïcode")
            async for kind, told in stream:
                if kind == "event":
                    assert (told["text"], told["worker"]) == ("a line\nbreak, and ünïcode", "person")
                    return
    run(pretend, test)


def test_events_are_json_lines(pretend):
    pretend.event(text="one\nline")
    pretend.event(kind="give-up", text="no restart left")

    async def test(session, address, _web):
        async with session.get(address + "/events.jsonl") as answer:
            told = [json.loads(line) for line in (await answer.text()).splitlines()]
        assert [event["text"] for event in told] == ["one\nline", "no restart left"]
        assert set(told[0]) == {"id", "at", "camera", "kind", "worker", "text"}
    run(pretend, test)


def connection(address, path):
    """A browser that asks and then reads nothing."""
    host, port = address.removeprefix("http://").split(":")
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect((host, int(port)))
    stuck.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return stuck


def test_a_stuck_browser_is_cut_off_while_the_others_go_on(pretend):
    pretend.cameras = [camera(f"camera {number}", workers=[worker("w", reason="x" * 2000)]) for number in range(20)]

    async def test(session, address, web):
        with connection(address, "/events"):
            await until(lambda: len(web._hub) == 1)
            async with session.get(address + "/events") as answer:
                await until(lambda: len(web._hub) == 2)
                told = 0

                async def read():
                    nonlocal told
                    async for kind, _ in messages(answer):
                        told += kind == "event"
                reading = asyncio.create_task(read())
                sent = 0
                while web._hub.cut_off == 0:
                    pretend.event(text="y" * 50_000)
                    sent += 1
                    await asyncio.sleep(0.005)
                    assert sent < 2000, "what waits for a stuck browser has no bound"
                await until(lambda: told == sent)  # who reads misses nothing
                assert len(web._hub) == 1
                reading.cancel()
    run(pretend, test)


def test_stuck_browsers_do_not_make_the_loop_wait(pretend):
    async def test(session, address, web):
        stuck = [connection(address, "/events") for _ in range(MOST_CLIENTS + 5)]
        await until(lambda: len(web._hub) == MOST_CLIENTS)
        longest = 0.0
        for _ in range(200):
            begin = time.thread_time()  # the processor's time: a busy machine is no fault of ours
            pretend.event(text="y" * 50_000)
            longest = max(longest, time.thread_time() - begin)
            await asyncio.sleep(0)
        assert longest < 0.2
        async with session.get(address + "/healthz") as answer:
            assert answer.status == 200
        for one in stuck:
            one.close()
    run(pretend, test)


def test_connections_are_bounded(pretend, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 5)

    async def test(session, address, web):
        held = [connection(address, "/events") for _ in range(5)]
        await until(lambda: len(web._hub) == 5)
        with pytest.raises(aiohttp.ClientError):
            await session.get(address + "/healthz")
        held.pop().close()
        await until(lambda: len(web._hub) == 4 or pretend.event())

        async def answers():
            try:
                async with session.get(address + "/healthz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False
        while not await answers():
            await asyncio.sleep(0.05)
    run(pretend, test)


def test_whoever_comes_takes_the_place_of_one_that_is_silent(pretend, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 5)

    async def test(session, address, web):
        host, port = address.removeprefix("http://").split(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(12)]
        reading = connection(address, "/events")
        await until(lambda: len(web._hub) == 1)
        silent += [socket.create_connection((host, int(port))) for _ in range(12)]
        async with session.get(address + "/healthz") as answer:
            assert answer.status == 200
        assert len(web._hub) == 1  # a page is not silent
        for one in (*silent, reading):
            one.close()
    run(pretend, test)


def test_whoever_never_asks_or_never_reads_is_let_go_in_time(pretend, monkeypatch):
    monkeypatch.setattr(server, "EVERY", 0.05)

    async def test(_session, address, web):
        now = [0.0]
        web._connections._clock = lambda: now[0]
        host, port = address.removeprefix("http://").split(":")
        silent = socket.create_connection((host, int(port)))
        asked, page = connection(address, "/healthz"), connection(address, "/events")
        await until(lambda: len(web._connections._since) == 3 and len(web._connections._asked) == 2)
        now[0] = connections.ASKS + 1
        await until(lambda: web._connections.closed == 1)
        now[0] = connections.READS + 1
        await until(lambda: web._connections.closed == 2)
        assert len(web._hub) == 1
        for one in (silent, asked, page):
            one.close()
    run(pretend, test)


def test_a_page_leaves_its_place_to_a_new_one_after_a_while(pretend, monkeypatch):
    async def test(_session, address, web):
        held = [connection(address, "/events") for _ in range(MOST_CLIENTS)]
        await until(lambda: len(web._hub) == MOST_CLIENTS)
        first = next(iter(web._hub._clients))
        held.append(connection(address, "/events"))
        assert (await asyncio.to_thread(held[-1].recv, 12)).endswith(b"503")
        monkeypatch.setattr(stream, "STAYS", 0.0)
        held.append(connection(address, "/events"))
        assert (await asyncio.to_thread(held[-1].recv, 12)).endswith(b"200")
        assert len(web._hub) == MOST_CLIENTS and first not in web._hub._clients
        for one in held:
            one.close()
    run(pretend, test)


def test_a_page_that_goes_is_forgotten(pretend):
    async def test(_session, address, web):
        with connection(address, "/events"):
            await until(lambda: len(web._hub) == 1)
        await until(lambda: len(web._hub) == 0)
    run(pretend, test)


def test_a_snapshot_that_fails_ends_neither_page_nor_manager(pretend, monkeypatch, caplog):
    monkeypatch.setattr(server, "EVERY", 0.05)

    async def test(session, address, _web):
        pretend.cameras = [{"name": object()}]
        await until(lambda: "no news" in caplog.text)
        pretend.cameras = [camera("back")]

        async def shown():
            async with session.get(address + "/snapshot") as answer:
                return (await answer.json())["cameras"][0]["name"]
        while await shown() != "back":
            await asyncio.sleep(0.02)
    run(pretend, test)


def test_a_disk_that_hangs_keeps_no_news_back(pretend, monkeypatch):
    monkeypatch.setattr(server, "EVERY", 0.05)
    disk = threading.Event()
    monkeypatch.setattr(server.Web, "_look_at_pictures", lambda self: disk.wait(30) and {})

    async def test(session, address, _web):
        try:
            before = pretend.asked
            await until(lambda: pretend.asked > before + 5)
            async with session.get(address + "/healthz") as answer:
                assert answer.status == 200
        finally:
            disk.set()
    run(pretend, test)


def test_an_address_in_use_is_said_and_ends_nothing(pretend):
    async def inside():
        async with served(pretend) as (_, address):
            other = server.Web(server.Settings(port=int(address.rsplit(":", 1)[1])), pretend.snapshot, [], pretend.subscribe,
                               pretend.folder)
            with pytest.raises(OSError, match="in use"):
                await other.start()
            await other.stop()
    asyncio.run(inside())
