# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorder's memory over minutes of events: prints it every 10 s, and fails if it still grows at the end.

meson devenv -C build python3 ../examples/surveillance/tests/recording_memory.py [SECONDS]
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import conftest  # noqa: E402, F401  makes the example importable
from recording_rig import Camera, Recorder  # noqa: E402


def resident(pid):
    """MB that are its own."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1000


def main(seconds):
    with tempfile.TemporaryDirectory() as folder:
        camera = Camera(folder + "/ring")
        recorder = Recorder(folder + "/ring", folder, {"segment": "2 s", "max-size": "30 MB", "memory": "10 MB"},
                            {"per-hour": 3600, "before": "2 s", "after": "1 s", "max-size": "30 MB"})
        seen, begin, next_line = [], time.monotonic(), 0.0
        try:
            while (passed := time.monotonic() - begin) < seconds:
                recorder.trigger(camera.number)
                time.sleep(0.02 if passed % 10 < 2 else 0.5)  # a flood, then pauses in which clips end
                if passed >= next_line and recorder.listen():
                    next_line += 10
                    said = recorder.messages[-1]
                    recorder.messages.clear()
                    seen.append(resident(recorder.process.pid))
                    print(f"{passed:5.0f} s  {seen[-1]:6.1f} MB  {said}", flush=True)
            assert recorder.process.poll() is None
            half = seen[len(seen) // 2:]
            print(f"second half: {min(half):.1f} to {max(half):.1f} MB")
            return 0 if max(half) < min(half) * 1.1 + 1 else 1
        finally:
            recorder.close()
            camera.end()


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 180))
