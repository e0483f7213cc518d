# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life-cycle manager: runs the cameras and workers of a TOML file until SIGTERM; SIGHUP reads the file again."""

import signal
import threading

ASKED_EARLY = threading.Event()
if __name__ == "__main__":  # before the other imports, which take a second: a reload that is asked for meanwhile must not end it
    signal.signal(signal.SIGHUP, lambda *_: ASKED_EARLY.set())  # not SIG_IGN, which children would inherit

import argparse  # noqa: E402
import asyncio  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from . import config, events  # noqa: E402
from .logs import Handler, Outlet  # noqa: E402
from .manager import Manager  # noqa: E402
from .result_sender import MOST_SOCKET  # noqa: E402
from .state import InUse  # noqa: E402
from .untrusted import clean, explain  # noqa: E402
from .web import settings as web_settings  # noqa: E402
from .web.server import serve  # noqa: E402

MOST_FILES = 65536  # open at once; a worker takes some ten, with its ring of results
PACKAGE = "/usr/share/frame-supplier-surveillance"  # where the command frame-supplier finds this
PIPE = 5.0  # s that a pipe may take to give the file, at the start


def arguments() -> argparse.Namespace:
    is_installed = Path(__file__).is_relative_to(PACKAGE)
    parser = argparse.ArgumentParser(prog="frame-supplier" if is_installed else "python3 -m surveillance.manage", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="cameras and workers: a TOML file")
    parser.add_argument("--folder", type=Path, default=Path("surveillance"),
                        help="where state, events, logs and recordings are kept (default: ./surveillance)")
    parser.add_argument("--sockets", type=Path, help="the folder of the cameras' sockets (default: that of --folder)")
    parser.add_argument("--check", action="store_true", help="only say whether the file is right")
    return parser.parse_args()


def read(path: Path, sockets: Path, patience: float = 0.0) -> config.Config:
    """The file, as a manager can run it. ConfigError for whatever is wrong with it."""
    settings = config.load(path, patience)
    for camera in settings.cameras:
        ring = sockets / f"{camera.name}.sock"
        if len(os.fsencode(ring)) > MOST_SOCKET:
            raise config.ConfigError(f"the path of a socket has at most {MOST_SOCKET} bytes: choose other --sockets than {ring}")
        if not camera.input:
            raise config.ConfigError(f"{path}: camera {camera.name!r} has no input")
        if camera.faults:
            raise config.ConfigError(f"{path}: a [[fault]] is for the demonstration: remove it from the file of a service")
    try:
        web_settings.parse(settings.web)
    except Exception as error:
        raise config.ConfigError(f"{path}: {explain(error)}") from error
    return settings


def tell_systemd(state: str) -> str:
    """For a unit with Type=notify; without one, nothing. The answer says what went wrong."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    try:
        if address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as notify:
                notify.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        return ""
    except Exception as error:
        return f"NOTIFY_SOCKET={address}: {explain(error)}"


async def run(settings: config.Config, options: argparse.Namespace) -> None:
    manager = Manager(settings, options.folder, options.sockets)
    output = Outlet(1)
    manager.subscribe(events.to_file(options.folder / "events.jsonl"))
    manager.subscribe(events.to_outlet(output))
    loop = asyncio.get_running_loop()
    ended, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    if ASKED_EARLY.is_set():
        again.set()

    async def reloads():
        while True:
            await again.wait()
            again.clear()
            await manager.reload(lambda: read(options.config, options.sockets))

    await manager.start()
    page = await serve(manager, web_settings.parse(settings.web))
    if trouble := tell_systemd("READY=1"):
        manager.event("", "warning", "manager", trouble)
    reloading = asyncio.create_task(reloads())
    try:
        await asyncio.wait([reloading, stop := asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
    finally:
        tell_systemd("STOPPING=1")
        await page.stop()
        await manager.stop()
        output.close()
    if reloading.done():
        reloading.result()  # it never ends but by a bug, which is worth a traceback
    reloading.cancel()


def main() -> int:
    options = arguments()
    options.folder = options.folder.absolute()
    options.sockets = options.sockets.absolute() if options.sockets else options.folder
    try:
        settings = read(options.config, options.sockets, PIPE)
        for folder in (options.folder, options.sockets):
            str(folder).encode()  # paths go to processes that know UTF-8 only
        if options.check:
            return 0
        for folder in (options.folder, options.sockets):
            folder.mkdir(parents=True, exist_ok=True)
        open_standard_descriptors()
        allow_open_files()
        errors = Outlet(2)
        logging.basicConfig(handlers=[Handler(errors)], level=logging.WARNING, force=True)
        logging.captureWarnings(True)  # those of Python would be written at once, and wait for whoever reads them
        asyncio.run(run(settings, options))
        errors.close()
    except (config.ConfigError, InUse) as error:
        raise SystemExit(clean(str(error), 2000)) from error
    except (OSError, UnicodeEncodeError) as error:
        raise SystemExit(f"cannot run in {clean(str(options.folder))}: {explain(error)}") from error
    return 0


def allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def open_standard_descriptors() -> None:
    """One that was closed would be the number of the next file opened, into which events would go then."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    sys.exit(main())
