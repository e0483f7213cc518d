# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration clip: pedestrians, 768x576, 10 frames a second, from Debian's package opencv-doc."""

import gzip
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .untrusted import explain

PACKAGE = "opencv-doc"
NAME = "vtest.avi"
PATIENCE = 600.0  # s for the download


def fetch(folder: Path) -> tuple[Path | None, str]:
    """The clip's path, or None and why not. Downloads the package (96 MB) once and keeps the one file of it (8 MB)."""
    try:
        return _fetch(folder / NAME)
    except Exception as error:  # of a network, a package, a disk: the demonstration goes on without it
        return None, explain(error)


def _fetch(clip: Path) -> tuple[Path | None, str]:
    if clip.is_file():
        return clip, ""
    if installed := _installed():
        with gzip.open(installed) if installed.suffix == ".gz" else open(installed, "rb") as content:
            return _keep(content, clip), ""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None, "apt-get and dpkg-deb are needed to fetch it"
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)  # apt downloads as its own user
        download = subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=scratch, capture_output=True, text=True,
                                  errors="replace", timeout=PATIENCE)
        packages = list(Path(scratch).glob("*.deb"))
        if download.returncode != 0 or not packages:
            return None, f"apt-get download {PACKAGE}: {_last_line(download.stderr)}"
        return unpack(packages[0], clip)


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
