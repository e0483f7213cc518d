# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life-cycle manager: runs the cameras and workers of a TOML file until SIGTERM; SIGHUP reads the file again."""

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from . import config, events
from .manager import Manager
from .state import InUse
from .web import settings as web_settings
from .web.server import serve


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m surveillance.manage", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="cameras and workers: a TOML file")
    parser.add_argument("--folder", type=Path, default=Path("surveillance"),
                        help="where state, events, logs and recordings are kept (default: ./surveillance)")
    parser.add_argument("--sockets", type=Path, help="the folder of the cameras' sockets (default: that of --folder)")
    parser.add_argument("--check", action="store_true", help="only say whether the file is right")
    return parser.parse_args()


def read(path: Path) -> config.Config:
    """The file, as a manager can run it."""
    settings = config.load(path)
    for camera in settings.cameras:
        if not camera.input:
            raise config.ConfigError(f"{path}: camera {camera.name!r} has no input")
        if camera.faults:
            raise config.ConfigError(f"{path}: a [[fault]] is for the demonstration; nobody wants one in service")
    try:
        web_settings.parse(settings.web)
    except ValueError as error:
        raise config.ConfigError(f"{path}: {error}") from error
    return settings


def tell_systemd(state: str) -> None:
    """For a unit with Type=notify; without one, nothing."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


async def run(settings: config.Config, options: argparse.Namespace) -> None:
    manager = Manager(settings, options.folder, options.sockets)
    manager.subscribe(events.to_file(options.folder / "events.jsonl"))
    manager.subscribe(events.to_stream(sys.stdout))
    loop = asyncio.get_running_loop()
    ended, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)

    async def reloads():
        while True:
            await again.wait()
            again.clear()
            await manager.reload(lambda: read(options.config))

    await manager.start()
    page = await serve(manager, web_settings.parse(settings.web))
    tell_systemd("READY=1")
    reloading = asyncio.create_task(reloads())
    try:
        await asyncio.wait([reloading, stop := asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
    finally:
        tell_systemd("STOPPING=1")
        await page.stop()
        await manager.stop()
    if reloading.done():
        reloading.result()  # it never ends but by a bug, which is worth a traceback
    reloading.cancel()


def main() -> int:
    options = arguments()
    options.folder = options.folder.absolute()
    options.sockets = options.sockets.absolute() if options.sockets else options.folder
    try:
        settings = read(options.config)
        for camera in settings.cameras:
            if len(os.fsencode(path := options.sockets / f"{camera.name}.sock")) > 107:
                raise config.ConfigError(f"the path of a socket has at most 107 bytes: choose other --sockets than {path}")
        if options.check:
            return 0
        for folder in (options.folder, options.sockets):
            folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(settings, options))
    except (config.ConfigError, InUse) as error:
        raise SystemExit(str(error)) from error
    except OSError as error:
        raise SystemExit(f"cannot run in {options.folder}: {error}") from error
    return 0


if __name__ == "__main__":
    sys.exit(main())
