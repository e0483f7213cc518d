# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pictures of examples/surveillance/docs/service.md, of a real run: a system that is well, an outage of its camera, a worker given up.

usage: meson devenv -C build env PYTHONPATH=examples:build/shmring/python python3 examples/surveillance/tests/screenshots.py FOLDER
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import cv2
from browser import browser
from real_system import Camera, System, eventually

from surveillance import clip

WORKERS = (("motion", "critical", "drop-newest"), ("person", "high", "latest"), ("flow", "best-effort", "latest"))
CONFIGURATION = """
[ring]
stall-timeout = 3.0
[[camera]]
name = "front"
input = "{input}"
[[camera.zone]]
name = "lawn"
points = [[0.02, 0.45], [0.42, 0.30], [0.60, 0.98], [0.02, 0.98]]
labels = ["person"]
""" + "".join(f"""
[[camera.worker]]
name = "{name}"
command = ["python3", "-m", "surveillance.workers.{name}"]
level = "{level}"
policy = "{policy}"
""" + ("max-drop-rate = 0.95\nmax-frame-age = 0.5\n" if name == "person" else "") for name, level, policy in WORKERS)


def main(folder: Path) -> None:
    path, why = clip.fetch(folder)
    if path is None:
        raise SystemExit(f"the clip of pedestrians is not to be had: {why}")
    camera = Camera(f"filesrc location={path} ! decodebin")
    with tempfile.TemporaryDirectory() as scratch, browser() as opened:
        camera.on()
        system = System(Path(scratch), CONFIGURATION.format(input=camera.address))
        try:
            eventually(lambda: (flow := system.worker("flow")) and flow["delivered"] > 10, "everybody works", 200)
            time.sleep(25)  # for something to be seen in the plots
            shoot(opened, system, folder, "page-healthy", "light", lambda: not system.troubles())
            camera.off()
            shoot(opened, system, folder, "page-outage", "light", lambda: "gives no frames" in str(system.troubles()))
            camera.on()
            eventually(lambda: not system.troubles(), "the camera is back")
            time.sleep(8)
            os.kill(system.worker("flow")["pid"], signal.SIGKILL)
            shoot(opened, system, folder, "page-give-up", "dark", lambda: "given up" in str(system.troubles()))
            shoot(opened, system, folder, "page-phone", "light", lambda: True, width=390, height=1400)
        finally:
            system.stop()
            camera.off()


def shoot(opened, system: System, folder: Path, name: str, scheme: str, when, width=1280, height=960) -> None:
    eventually(when, name)
    opened.look(width, height, scheme)
    opened.driver.get(system.address)
    time.sleep(6)  # some seconds of what the page says by itself
    opened.driver.save_screenshot(f"{folder}/{name}.png")
    cv2.imwrite(f"{folder}/{name}.jpg", cv2.imread(f"{folder}/{name}.png"), (cv2.IMWRITE_JPEG_QUALITY, 80))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
