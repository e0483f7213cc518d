# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in a real browser: what a person sees and hears of a healthy system, of an outage, of a give-up."""

import asyncio
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from browser import browser as opened
from browser import needs_browser
from web_fixture import Pretend, account, camera, free_port, result, worker

from surveillance.album import Album
from surveillance.web.server import Web
from surveillance.web.settings import Settings

STATIC = Path(__file__).resolve().parents[3] / "examples" / "surveillance" / "web" / "static"
EVIL = "<img src=x onerror=document.title='taken'>"


class Page:
    """The server in a thread of its own, as a browser needs it; everything is said to it from its own loop."""

    def __init__(self, pretend: Pretend, port: int):
        self._pretend = pretend
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    def start(self) -> None:
        pretend = self._pretend
        self._web = Web(Settings(port=self._port), pretend.snapshot, pretend.events, pretend.subscribe, pretend.folder, pretend.find)
        self.address = self._in_loop(self._web.start())

    def stop(self) -> None:
        self._in_loop(self._web.stop())

    def event(self, **fields) -> None:
        self._loop.call_soon_threadsafe(lambda: self._pretend.event(**fields))

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _in_loop(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@pytest.fixture(scope="module")
def browser():
    with opened() as one:
        yield one


@pytest.fixture
def pretend(tmp_path):
    return Pretend(tmp_path, camera(workers=[worker("motion", level="critical"), worker("person")], branches=[account("ring-branch")]))


@pytest.fixture
def page(pretend, browser):
    page = Page(pretend, free_port())
    browser.look()
    browser.driver.get(page.address)
    seen(lambda: "all well" in browser.text("#summary"), "the page says that all is well")
    yield page
    page.close()


def photograph(pretend, name, sequence):
    """The newest picture of a worker: white, where 768 x 576 are shown at half their size."""
    album = pretend.folder / "front" / "album"
    album.mkdir(parents=True, exist_ok=True)
    assert Album(name, str(album), 1.0).show(np.full((576, 768, 3), 255, np.uint8), sequence)


def shown_boxes(browser):
    """Of the second worker: where its boxes are on the picture, in pixels of the frame; null: they are not shown."""
    return browser.run("""
        const svg = document.querySelector('.worker:nth-child(2) svg.boxes'), picture = document.querySelector('.worker:nth-child(2) img');
        const frame = picture.getBoundingClientRect(), scale = 768 / frame.width;
        return [...svg.querySelectorAll('rect')].map((one) => one.getBoundingClientRect()).map((one) => one.width === 0 ? null :
            [one.x - frame.x, one.y - frame.y, one.width, one.height].map((side) => Math.round(side * scale)));""")


def seen(condition, what, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never seen: {what}"
        time.sleep(0.1)


@needs_browser
def test_each_worker_is_shown_and_nothing_comes_from_elsewhere(page, browser):
    assert browser.run("return [...document.querySelectorAll('.worker h3')].map(one => one.innerText)") == ["motion", "person"]
    assert "ok" in browser.text(".worker .state")
    assert browser.text("#banner") == ""
    loaded = browser.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert loaded and all(address.startswith(page.address) for address in loaded)
    assert browser.complaints() == []


@needs_browser
def test_an_outage_is_said_once_and_ends(page, pretend, browser):
    for told in pretend.cameras[0]["workers"]:
        told["state"] = "starved"
    seen(lambda: "gives no frames" in browser.text("#banner"), "the outage")
    assert browser.run("return document.querySelectorAll('#banner .trouble').length") == 1
    assert browser.run("return document.querySelector('#banner').getAttribute('role')") == "alert"
    assert "no frames" in browser.text(".camera header .state")
    assert browser.driver.title == "(1) Surveillance"
    for told in pretend.cameras[0]["workers"]:
        told["state"] = "ok"
    seen(lambda: browser.text("#banner") == "", "the end of the outage")


@needs_browser
def test_a_give_up_stays_in_sight(page, pretend, browser):
    pretend.cameras[0]["workers"][1].update(state="dead", phase="given up", pid=None, reason="ended with code 1")
    seen(lambda: "was given up: ended with code 1" in browser.text("#banner .fault"), "the give-up")
    assert "given up" in browser.text(".worker.ill .state")


@needs_browser
def test_an_event_is_there_as_it_happens_and_is_text_only(page, pretend, browser):
    pretend.cameras[0]["workers"][1]["name"] = pretend.cameras[0]["workers"][1]["reason"] = EVIL
    page.event(kind="error", worker=EVIL, text=EVIL)
    seen(lambda: browser.text("#events li").count(EVIL) == 2, "the event")
    seen(lambda: EVIL in browser.text(".worker:last-child h3"), "the worker")
    assert browser.driver.title == "Surveillance"
    assert browser.run("return document.querySelectorAll('#events img').length") == 0


@needs_browser
def test_a_recorder_shows_what_it_keeps_and_a_disk_that_is_full(page, pretend, browser):
    pretend.cameras[0]["workers"] = [worker("recorder")]
    report = {"segments": 12, "bytes": 3.2e6, "clips": 3, "clips_bytes": 4e6, "disk": "ok", "error": ""}
    pretend.cameras[0]["reports"] = {"recorder": report}
    seen(lambda: "12 segments, 3.2 MB; 3 clips, 4 MB" in browser.text(".worker"), "what it keeps")
    report.update(disk="full", error="No space left on device")
    seen(lambda: "cannot write segments, the disk is full: No space left on device" in browser.text("#banner .fault"), "the disk")


@needs_browser
def test_boxes_are_drawn_where_they_are_on_the_picture_of_their_frame(page, pretend, browser):
    browser.complaints()  # of the page before
    pretend.results["front", "person"] = result(41, (100, 50, 60, 120), (400, 300, 90, 200))
    photograph(pretend, "person", 41)
    seen(lambda: browser.run("return document.querySelectorAll('svg.boxes rect').length") == 2, "the boxes")
    for drawn, box in zip(shown_boxes(browser), ((100, 50, 60, 120), (400, 300, 90, 200))):
        assert all(abs(a - b) <= 8 for a, b in zip(drawn, box)), drawn  # the line has a width
    assert browser.run("return [...document.querySelectorAll('.box text')].map(one => one.textContent)") == ["person 1 0.9", "person 2 0.9"]
    assert "2 person" in browser.run("return document.querySelector('.worker:nth-child(2) img').alt")
    assert browser.run("return document.querySelectorAll('.boxes.other').length") == 0
    assert browser.complaints() == []


@needs_browser
def test_boxes_of_another_frame_say_so(page, pretend, browser):
    pretend.results["front", "person"] = result(44, (100, 50, 60, 120), at=time.time() + 2)
    photograph(pretend, "person", 41)
    seen(lambda: browser.run("return document.querySelectorAll('svg.boxes.other rect').length") == 1, "the boxes, dashed")
    seen(lambda: re.search(r"boxes \d+\.\d s newer", browser.text(".worker:nth-child(2) .picture span")), "how much newer they are")


@needs_browser
def test_a_click_hides_the_boxes_and_the_browser_remembers_it(page, pretend, browser):
    pretend.results["front", "person"] = result(41, (100, 50, 60, 120))
    photograph(pretend, "person", 41)
    seen(lambda: browser.run("return document.querySelectorAll('svg.boxes rect').length") == 1, "the box")
    press = "document.getElementById('boxes').click(); return document.getElementById('boxes').getAttribute('aria-pressed')"
    assert browser.run(press) == "false" and shown_boxes(browser) == [None]
    browser.driver.refresh()
    seen(lambda: browser.run("return document.querySelectorAll('svg.boxes rect').length") == 1, "the picture, again")
    assert shown_boxes(browser) == [None]
    assert browser.run(press) == "true" and shown_boxes(browser) != [None]


@needs_browser
def test_results_and_pictures_that_are_junk_break_nothing(page, pretend, browser):
    for junk in ({}, {"sequence": 41}, {**result(41), "width": 0}, {**result(41), "objects": 3},
                 result(41, (1, 2, -3, -4), label=EVIL), {**result(41), "objects": [{"box": None}]}):
        pretend.results["front", "person"] = junk
        photograph(pretend, "person", 41)
        time.sleep(1.1)
    pretend.results["front", "person"] = result(41, (100, 50, 60, 120), label=EVIL)
    photograph(pretend, "person", 41)
    seen(lambda: EVIL in browser.run("return document.querySelector('.box text')?.textContent ?? ''"), "the next good one")
    assert browser.driver.title == "Surveillance" and "all well" in browser.text("#summary")


@needs_browser
def test_zones_are_drawn_and_what_is_in_them_is_said(page, pretend, browser):
    pretend.cameras[0]["zones"] = [{"name": "door", "points": [[0, 0], [0.5, 0], [0.5, 1]], "inside": 2}]
    pretend.results["front", "person"] = result(41)
    photograph(pretend, "person", 41)
    seen(lambda: browser.run("return document.querySelector('polygon.zone')?.getAttribute('points')") == "0,0 384,0 384,576", "the zone")
    assert "door 2" in browser.text(".figures")


@needs_browser
def test_workers_come_and_go(page, pretend, browser):
    pretend.cameras[0]["workers"] = [worker("flow")]
    pretend.cameras.append(camera("back", workers=[worker("person")]))
    seen(lambda: browser.run("return [...document.querySelectorAll('h2, h3')].map(one => one.innerText).join()")
         == "front,flow,back,person,Events", "the new set")


@needs_browser
def test_a_manager_that_is_gone_is_said_and_found_again(page, browser):
    page.stop()
    seen(lambda: "No news from the manager" in browser.text("#banner .fault"), "the silence")
    page.start()
    seen(lambda: browser.text("#banner") == "", "the news")
    assert "ok" in browser.text(".worker .state")


@needs_browser
@pytest.mark.parametrize("width", [360, 768, 1440, 2560])
def test_nothing_sticks_out_at_any_width(page, browser, width):
    browser.look(width=width, height=800)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


@needs_browser
def test_it_can_be_heard_and_used_by_keyboard(page, browser):
    unnamed = browser.run("""return [...document.querySelectorAll('svg[role=img], img, [role=log]')]
        .filter(one => !one.hasAttribute('alt') && !one.hasAttribute('aria-label') && !one.hasAttribute('aria-labelledby')).length""")
    assert unnamed == 0
    assert "p99 80 ms" in browser.run("return document.querySelector('svg.age').getAttribute('aria-label')")
    reached = browser.run("""return [...document.querySelectorAll('a[href], summary, [tabindex="0"]')]
        .filter(one => one.tabIndex === 0).map(one => one.tagName)""")
    assert {"A", "SUMMARY", "DIV"} <= set(reached)


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", block))


def contrast(one: str, other: str) -> float:
    def light(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at:at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable(scheme):
    style = (STATIC / "page.css").read_text()
    light, dark = (colours(block) for block in re.findall(r":root \{(.*?)\}", style, re.S))
    told = light if scheme == "light" else {**light, **dark}
    for ink in ("ink", "soft", "good", "busy", "warn", "bad"):
        for paper in ("paper", "card", *([f"{ink}-soft"] if f"{ink}-soft" in told else [])):
            assert contrast(told[ink], told[paper]) >= 4.5, (ink, paper)
