# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life-cycle manager: runs the cameras and workers of a TOML file until SIGTERM. See examples/surveillance/README.md."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from . import config, events
from .manager import Manager
from .web import settings as web_settings
from .web.server import serve


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m surveillance.manage", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="cameras and workers")
    parser.add_argument("--folder", type=Path, default=Path("surveillance"),
                        help="where state, logs and recordings are kept (default ./surveillance)")
    parser.add_argument("--sockets", type=Path, help="where the cameras' sockets are made (default: FOLDER)")
    return parser.parse_args()


async def run(manager: Manager, page_settings: web_settings.Settings, options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    manager.subscribe(events.to_file(options.folder / "events.jsonl"))
    manager.subscribe(events.to_stream(sys.stdout))
    await manager.start()
    page = await serve(manager, page_settings)
    try:
        await ended.wait()
    finally:
        await page.stop()
        await manager.stop()


def main() -> int:
    options = arguments()
    options.folder = options.folder.absolute()
    options.sockets = options.sockets.absolute() if options.sockets else options.folder
    try:
        settings = config.load(options.config)
        page_settings = web_settings.parse(settings.web)
        for camera in settings.cameras:
            if not camera.input:
                raise config.ConfigError(f"{options.config}: camera {camera.name!r} has no input")
        for folder in (options.folder, options.sockets):
            folder.mkdir(parents=True, exist_ok=True)
        manager = Manager(settings, options.folder, options.sockets)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
    asyncio.run(run(manager, page_settings, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
