# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration clip: pedestrians, 768x576, 10 frames a second, from Debian's package opencv-doc."""

import gzip
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .untrusted import explain

PACKAGE = "opencv-doc"
NAME = "vtest.avi"
PATIENCE = 600.0  # s for the download
LINE_EVERY = 10.0  # s between two lines of progress


def fetch(folder: Path, tell: Callable[[str], None] = lambda line: None) -> tuple[Path | None, str]:
    """The clip's path, or None and why not. Downloads the package (96 MB) once and keeps the one file of it (8 MB).

    `tell` is given lines for the user before and during the download."""
    try:
        return _fetch(folder / NAME, tell)
    except Exception as error:  # of a network, a package, a disk: the demonstration goes on without it
        return None, explain(error)


def _fetch(clip: Path, tell: Callable[[str], None]) -> tuple[Path | None, str]:
    if clip.is_file():
        return clip, ""
    if installed := _installed():
        with gzip.open(installed) if installed.suffix == ".gz" else open(installed, "rb") as content:
            return _keep(content, clip), ""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None, "apt-get and dpkg-deb are needed to fetch it"
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)  # apt downloads as its own user
        why = _download(Path(scratch), tell)
        packages = list(Path(scratch).glob("*.deb"))
        if why or not packages:
            return None, f"apt-get download {PACKAGE}: {why or 'no package came'}"
        return unpack(packages[0], clip)


def _download(scratch: Path, tell: Callable[[str], None]) -> str:
    """Why it failed; empty where it did not."""
    command = ["apt-get", "download", "-qq", PACKAGE]
    listed = subprocess.run([*command, "--print-uris"], capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    size = re.search(r" (\d+) \w+:\w+$", listed.stdout.strip())
    megabytes = f"{int(size[1]) / 1e6:.0f} MB" if size else "some MB"
    tell(f"fetching the clip of pedestrians, once: {megabytes}, in Debian's package {PACKAGE}")
    ends = time.monotonic() + PATIENCE
    with open(scratch / "errors", "w+", errors="replace") as errors, \
            subprocess.Popen(command, cwd=scratch, stdout=subprocess.DEVNULL, stderr=errors) as download:
        while True:
            try:
                status = download.wait(LINE_EVERY)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > ends:
                    download.kill()
                    return f"it took more than {PATIENCE:.0f} s"
                tell(f"    … {_bytes_in(scratch) / 1e6:.0f} of {megabytes}")
        errors.seek(0)
        return _last_line(errors.read()) if status else ""


def _bytes_in(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in folder.iterdir())
    except FileNotFoundError:  # renamed by apt-get at this moment
        return 0


def unpack(package: Path, clip: Path) -> tuple[Path | None, str]:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as files:
        try:
            with tarfile.open(fileobj=files.stdout, mode="r|") as archive:
                for member in archive:
                    name = Path(member.name).name
                    if name in (NAME, f"{NAME}.gz") and member.isfile():
                        content = archive.extractfile(member)
                        return _keep(gzip.GzipFile(fileobj=content) if name.endswith(".gz") else content, clip), ""
        except Exception as error:  # whatever the package is
            return None, f"{package.name}, looking for {NAME}: {explain(error)}"
    return None, f"{package.name} has no {NAME}"


def _installed() -> Path | None:
    folder = Path("/usr/share/doc/opencv-doc/examples/data")
    return next((path for path in (folder / NAME, folder / f"{NAME}.gz") if path.is_file()), None)


def _keep(content, clip: Path) -> Path:
    clip.parent.mkdir(parents=True, exist_ok=True)
    part = clip.with_suffix(".part")
    part.unlink(missing_ok=True)
    with open(part, "xb") as plain:
        shutil.copyfileobj(content, plain)
    part.replace(clip)  # a half-written clip never has the name
    return clip


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
