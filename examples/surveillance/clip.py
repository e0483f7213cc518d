# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration clip: pedestrians, 768x576, 10 frames a second, from Debian's package opencv-doc."""

import gzip
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "opencv-doc"
NAME = "vtest.avi"


def fetch(folder: Path) -> tuple[Path | None, str]:
    """The clip's path, or None and why not. Downloads the package (96 MB) once and keeps the one file of it (8 MB)."""
    clip = folder / NAME
    if clip.exists():
        return clip, ""
    if installed := _installed():
        with gzip.open(installed) if installed.suffix == ".gz" else open(installed, "rb") as content:
            return _keep(content, clip), ""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None, "apt-get and dpkg-deb are needed to fetch it"
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)  # apt downloads as its own user
        download = subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=scratch, capture_output=True, text=True)
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
        except (tarfile.TarError, EOFError, OSError) as error:
            return None, f"{package.name}, looking for {NAME}: {error}"
    return None, f"{package.name} has no {NAME}"


def _installed() -> Path | None:
    folder = Path("/usr/share/doc/opencv-doc/examples/data")
    return next((path for path in (folder / NAME, folder / f"{NAME}.gz") if path.exists()), None)


def _keep(content, clip: Path) -> Path:
    clip.parent.mkdir(parents=True, exist_ok=True)
    part = clip.with_suffix(".part")
    with open(part, "wb") as plain:
        shutil.copyfileobj(content, plain)
    part.replace(clip)  # a half-written clip never has the name
    return clip


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
