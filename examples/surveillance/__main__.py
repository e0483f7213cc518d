# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job: a camera, a recorder, three workers, two faults; ends by itself with a report. See examples/demo."""

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from . import clip, config, events, report, sheet, table
from .album import PAGES
from .drill import Drill
from .manager import Manager
from .state import InUse
from .untrusted import explain, is_number
from .watched import lives
from .web import settings as web_settings
from .web.server import serve


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples/demo", description=__doc__)
    parser.add_argument("--input", help="a file, /dev/video0, rtsp://… or `test` (default: a clip of pedestrians)")
    parser.add_argument("--seconds", type=seconds, default=30.0, help="how long to run (default 30)")
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder of report and pictures")
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "demo.toml", help="workers and faults")
    return parser.parse_args()


def seconds(text: str) -> float:
    if not is_number(value := float(text), 1.0, config.YEAR):
        raise argparse.ArgumentTypeError(f"{text}: a number of 1 to {config.YEAR:.0f} is needed")
    return value


def choose_input(wanted: str | None, folder: Path, console: Console) -> str:
    if wanted:
        if wanted == "test" or "://" in wanted or Path(wanted).exists():
            return wanted if wanted == "test" or "://" in wanted else str(Path(wanted).absolute())
        raise SystemExit(f"--input {wanted}: there is no such file or device")
    path, why = clip.fetch(folder, lambda line: console.print(line, highlight=False, soft_wrap=True))
    if path:
        return str(path.absolute())
    console.print(f"The clip of pedestrians is not to be had ({why}): a test picture instead, without pedestrians.")
    return "test"


async def run(options: argparse.Namespace, camera: config.Camera, page_settings: web_settings.Settings,
              console: Console) -> dict:
    screen = table.Screen(console, f"{Path(camera.input).name} → latestframe → ring", time.time())
    with tempfile.TemporaryDirectory(prefix="surveillance-") as sockets:
        manager = Manager(config.Config((camera,)), options.output, Path(sockets),
                          album_every=max(0.5, options.seconds / PAGES), record=options.output / "recording.mkv")
        manager.subscribe(events.to_file(options.output / "events.jsonl"))
        manager.subscribe(screen.event)
        supervisor = manager.cameras[camera.name]
        drill = Drill(supervisor, camera.faults, options.seconds)
        loop = asyncio.get_running_loop()
        interrupted = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupted.set)
        shown = asyncio.create_task(screen.show(supervisor))
        await manager.start()
        page = await serve(manager, page_settings)
        job = asyncio.create_task(drill.run())
        stop = asyncio.create_task(interrupted.wait())
        await asyncio.wait([job, stop], return_when=asyncio.FIRST_COMPLETED)
        living = {name: lives(watched) for name, watched in supervisor.workers.items()}
        for task in (job, stop, shown):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await page.stop()
        await manager.stop()
    planned = len(drill.outcomes if interrupted.is_set() else camera.faults)
    results = report.checks(supervisor, drill.outcomes, living, planned)
    summary = report.as_dict(supervisor, drill.outcomes, results,
                             {"input": camera.input, "seconds": options.seconds, "interrupted": interrupted.is_set(),
                              "events": len(manager.events)})
    table.print_report(console, supervisor, summary)
    headings = {name: f"{name}: {watched.record.found} detections in {watched.record.heard} frames"
                for name, watched in supervisor.workers.items()}
    summary["pictures"] = sheet.make(supervisor.folder / "album", headings, options.output / "contact-sheet.png")
    report.save(summary, options.output / "report.json")
    return summary


def main() -> int:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        settings = config.load(options.config)
        page_settings = web_settings.parse(settings.web)
        camera, *others = settings.cameras
        if others:
            raise config.ConfigError(f"{options.config}: the demonstration has one camera; "
                                     "several: python3 -m surveillance.manage")
    except ValueError as error:
        raise SystemExit(str(error)) from error
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        camera = replace(camera, input=choose_input(options.input or camera.input, options.output, console))
        shutil.rmtree(options.output / camera.name, ignore_errors=True)
        for old in ("events.jsonl", "state.json", "recording.mkv"):
            (options.output / old).unlink(missing_ok=True)
        summary = asyncio.run(run(options, camera, page_settings, console))
    except InUse as error:
        raise SystemExit(str(error)) from error
    except OSError as error:
        raise SystemExit(f"cannot work in {options.output}: {explain(error)}") from error
    console.print(f"Report, events, recording, contact sheet: {options.output.absolute()}", soft_wrap=True)
    return 0 if summary["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
