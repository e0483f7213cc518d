# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real manager with real workers, on a camera over the network that can go away and come back."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))
SOURCE = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=10/1"


def free_port(kind=socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition, what, seconds=60):
    end = time.monotonic() + seconds * PATIENCE
    while not (result := condition()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.1)
    return result


class Camera:
    """Sends an MPEG transport stream over UDP, as some network cameras do."""

    def __init__(self, source: str = SOURCE):
        self._port = free_port(socket.SOCK_DGRAM)
        self.address = f"udp://127.0.0.1:{self._port}"
        self._line = (f"{source} ! videoconvert ! openh264enc bitrate=4000000 gop-size=5 ! h264parse config-interval=-1 ! "
                      f"mpegtsmux alignment=7 ! udpsink host=127.0.0.1 port={self._port}")
        self._process: subprocess.Popen | None = None

    def on(self) -> None:
        """Again from its begin when a file ends."""
        self._process = subprocess.Popen(["sh", "-c", f"while :; do gst-launch-1.0 -q {self._line}; done"], start_new_session=True,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def off(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class System:
    def __init__(self, folder: Path, configuration: str):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.state = folder / "state"
        self._path = folder / "surveillance.toml"
        self._log = open(folder / "manager.jsonl", "ab")
        self.write(configuration)
        self.start()

    def write(self, configuration: str) -> None:
        """Settings that count from the next start or reload."""
        self._path.write_text(f'[web]\nlisten = "127.0.0.1:{self.port}"\n{configuration}')

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "surveillance.manage", "--config", self._path, "--folder", self.state],
                                        stdout=self._log, stderr=self._log)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> str:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.address + path, timeout=10) as answer:
            return answer.read().decode()

    def snapshot(self) -> dict | None:
        with contextlib.suppress(OSError):
            return json.loads(self.get("/snapshot"))
        return None

    def worker(self, name: str) -> dict | None:
        told = self.snapshot()
        return told and next((worker for worker in told["cameras"][0]["workers"] if worker["name"] == name), None)

    def troubles(self) -> list[str]:
        told = self.snapshot()
        return [f"{trouble['worker']}: {trouble['text']}" for trouble in told["troubles"]] if told else ["no answer"]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait()
        self._log.close()
        return code
