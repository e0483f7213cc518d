# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manager's HTTP face: the page, the stream behind it, metrics, health. It runs in the manager's loop and never makes it wait.

Whoever asks and how often, the snapshot is taken once a second, and its JSON and its metrics are written at most once for it. Files are
read in a thread. Connections, browsers and what waits for each of them are bounded.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path

import prometheus_client
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .. import files
from ..jpeg import sequence_of
from ..untrusted import explain
from .connections import Connections
from .guard import guard, headers
from .history import COLUMNS, KEPT, History, accounts
from .metrics import Collector
from .settings import Settings
from .stream import Hub, message
from .trouble import troubles

EVERY = 1.0  # s between two snapshots
MOST_EVENTS = 200  # that a page begins with
MOST_PICTURE = 1 << 20  # bytes
STATIC = Path(__file__).parent / "static"
FILES = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/icon.svg": ("icon.svg", "image/svg+xml"),
         **{f"/{name}.js": (f"{name}.js", "text/javascript") for name in ("page", "plots", "parts", "boxes")}}
JSON = "application/json"
ILL = ("stuck", "dead")


LOGGER = logging.getLogger("surveillance.web")
LOGGER.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))  # no HTTP: its sender's fault


class Moment:
    """One snapshot, and what was made of it."""

    def __init__(self, snapshot: dict, samples: dict, pictures: dict, last_words: dict):
        self.snapshot = snapshot
        self._last_words = last_words
        self._more = {"samples": samples, "pictures": pictures}

    @cached_property
    def json(self) -> str:
        found = [asdict(trouble) for trouble in troubles(self.snapshot, self._last_words)]
        return json.dumps({**self.snapshot, **self._more, "troubles": found})


class Web:
    """`take` gives the snapshot; `events` are the newest ones, oldest first; `folder`/CAMERA/album has the pictures.
    `find`: the result of a camera's worker, by a frame's number if that is known."""

    def __init__(self, settings: Settings, take: Callable[[], dict], events: Sequence, subscribe: Callable, folder: Path,
                 find: Callable[[str, str, int | None], str | None] = lambda *_: None):
        self._settings = settings
        self._take = take
        self._events = events
        self._subscribe = subscribe
        self._folder = folder
        self._find_result = find
        self._history = History()
        self._hub = Hub()
        self._counts: Counter[tuple[str, str]] = Counter()  # by camera and kind
        self._last_words: dict[tuple[str, str], str] = {}
        for event in events:
            self._note(event)
        self._pictures: dict[str, dict[str, float]] = {}
        self._moment = self._now()
        self._metrics: tuple[Moment, bytes] | None = None
        self._registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self._registry)
        self._registry.register(Collector(lambda: self._moment.snapshot, lambda: self._counts,
                                          lambda: (len(self._hub), self._hub.cut_off)))
        self._closing: list[Callable] = []

    async def start(self) -> str:
        """The page's address. Raises if it cannot be served there; the manager goes on without it."""
        application = web.Application(middlewares=[self._border, guard(self._settings.names)])
        application.on_response_prepare.append(headers)
        application.router.add_get("/events", self._stream)
        application.router.add_get("/events.jsonl", self._event_lines)
        application.router.add_get("/snapshot", self._snapshot)
        application.router.add_get("/metrics", self._scrape)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/healthz/{camera}/{worker}", self._worker_healthz)
        application.router.add_get("/pictures/{camera}/{worker}.jpg", self._picture)
        application.router.add_get("/results/{camera}/{worker}.json", self._result)
        for path, (name, kind) in FILES.items():
            application.router.add_get(path, _static((STATIC / name).read_bytes(), kind))
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=30, handle_signals=False, logger=LOGGER)
        await runner.setup()
        assert runner.server is not None  # since setup()
        self._connections = Connections(runner.server, self._hub)
        try:
            server = await asyncio.get_running_loop().create_server(self._connections.connect, self._settings.host,
                                                                    self._settings.port)
        except BaseException:
            await runner.cleanup()
            raise
        ticks = asyncio.create_task(self._ticks())
        self._closing = [self._subscribe(self._told), ticks.cancel, server.close, self._hub.close]
        self._runner = runner
        host, port = server.sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    async def stop(self) -> None:
        if self._closing:
            for close in self._closing:
                close()
            self._closing = []
            if self._runner.server is not None:
                await self._runner.server.shutdown(1.0)  # s for answers under way
            await self._runner.cleanup()

    # Background tasks

    async def _ticks(self) -> None:
        looking = asyncio.create_task(asyncio.to_thread(self._look_at_pictures))
        while True:
            await asyncio.sleep(EVERY)
            try:
                self._connections.sweep()
                if looking.done():  # a disk that hangs keeps the thread, not the news
                    self._pictures = looking.result()
                    looking = asyncio.create_task(asyncio.to_thread(self._look_at_pictures))
                self._moment = self._now()
                if len(self._hub):
                    self._hub.publish(message("now", self._moment.json))
            except Exception:  # a page without news is better than a manager that lost its page
                logging.exception("the status page has no news")

    def _now(self) -> Moment:
        snapshot = self._take()
        return Moment(snapshot, self._history.add(snapshot), self._pictures, self._last_words)

    def _note(self, event) -> None:
        self._counts[event.camera, event.kind] += 1
        if event.kind == "give-up":
            self._last_words[event.camera, event.worker] = event.text

    def _told(self, event) -> None:
        self._note(event)
        if len(self._hub):
            self._hub.publish(message("event", json.dumps(asdict(event))))

    def _hello(self) -> bytes:
        hello = {"columns": COLUMNS, "kept": KEPT, "every": EVERY, "history": self._history.all(),
                 "events": [asdict(event) for event in list(self._events)[-MOST_EVENTS:]]}
        return message("hello", json.dumps(hello)) + message("now", self._moment.json)

    # Requests

    @web.middleware
    async def _border(self, request: web.Request, handler) -> web.StreamResponse:
        """Each request gets an answer, also where its handler fails, and the log a bounded number of lines."""
        self._connections.asks(request.transport)
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception:
            logging.exception("the status page could not answer")
            return web.Response(status=500, text="This could not be answered; the manager's log says why.\n")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        return await self._hub.serve(request, self._hello)

    async def _snapshot(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._moment.json, content_type=JSON)

    async def _event_lines(self, _request: web.Request) -> web.Response:
        lines = "".join(json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in self._events)
        return web.Response(text=lines, content_type="application/x-ndjson")

    async def _scrape(self, _request: web.Request) -> web.Response:
        if self._metrics is None or self._metrics[0] is not self._moment:
            self._metrics = (self._moment, prometheus_client.generate_latest(self._registry))
        return web.Response(body=self._metrics[1], headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    async def _healthz(self, _request: web.Request) -> web.Response:
        """The manager's own health: a camera that is away is no reason to start it again."""
        late = time.time() - self._moment.snapshot["at"]
        if late > 30 * EVERY:
            return web.Response(status=503, text=f"the last snapshot is {late:.0f} s old\n")
        return web.Response(text="ok\n")

    async def _worker_healthz(self, request: web.Request) -> web.Response:
        """For whoever starts workers in the manager's place: 503 only for what a new start can mend."""
        worker = self._find(request)
        ill = worker.get("state") in ILL
        return web.Response(status=503 if ill else 200, text=f"{worker['state']}: {worker.get('reason') or '-'}\n")

    async def _picture(self, request: web.Request) -> web.Response:
        worker = self._find(request)
        path = self._path(request.match_info["camera"], worker["name"])
        try:
            content = await asyncio.to_thread(files.read, path, MOST_PICTURE)
        except OSError:
            raise web.HTTPNotFound(text="no picture yet\n") from None
        sequence = sequence_of(content)
        return web.Response(body=content, content_type="image/jpeg",
                            headers={} if sequence is None else {"Frame-Sequence": str(sequence)})

    async def _result(self, request: web.Request) -> web.Response:
        """Of the frame that `sequence` names, or the newest one: it says itself of which frame it is."""
        wanted = request.query.get("sequence", "")
        sequence = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) <= 20 else None
        if (text := self._find_result(request.match_info["camera"], self._find(request)["name"], sequence)) is None:
            raise web.HTTPNotFound(text="no result yet\n")
        return web.Response(text=text, content_type=JSON)

    def _find(self, request: web.Request) -> dict:
        """Names of the snapshot only: no other path is ever made of what a request names."""
        wanted = request.match_info["camera"], request.match_info["worker"]
        for camera in self._moment.snapshot["cameras"]:
            for account in accounts(camera):
                if (camera["name"], account["name"]) == wanted:
                    return account
        raise web.HTTPNotFound(text="no such worker\n")

    def _path(self, camera: str, worker: str) -> Path:
        return self._folder / camera / "album" / f"{worker}.jpg"

    def _look_at_pictures(self) -> dict[str, dict[str, float]]:
        """When each worker's newest picture was made, unix s. In a thread: a disk may hang."""
        found: dict[str, dict[str, float]] = {}
        for camera in self._moment.snapshot["cameras"]:
            for worker in camera.get("workers", ()):
                with contextlib.suppress(OSError):
                    path = self._path(camera["name"], worker["name"])
                    found.setdefault(camera["name"], {})[worker["name"]] = path.stat().st_mtime
        return found


async def serve(manager, settings: Settings) -> Web:
    """The manager's page, from now until its stop(). That it cannot be served is an event, and stops nothing."""
    from ..snapshot import result, snapshot  # only here: the page itself knows no manager
    web = Web(settings, lambda: snapshot(manager), manager.events, manager.subscribe, manager.folder, partial(result, manager))
    if settings.host:
        try:
            manager.event("", "page", "", f"the status page is at {await web.start()}")
        except Exception as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else explain(error)
            manager.event("", "warning", "", f"no status page at {settings.host}, port {settings.port}: {why}")
    return web


def _static(content: bytes, kind: str):
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8")
    return answer
