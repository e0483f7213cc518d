# SPDX-License-Identifier: LGPL-2.1-or-later
""".ci/release: what it refuses, and a dry run of this tree. Trees are made of the few files that it reads."""
import datetime
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
READ = ("meson.build", "pyproject.toml", "CHANGELOG.md", "README.md", "debian/changelog", "docs/abi.md",
        "shmring/include/shmring/version.h", "shmring/capi/meson.build", "shmring/abi/layout.hpp", "shmring/abi/wire.hpp",
        "tests/checks/golden/capi.layout", "tests/checks/golden/libshmring.symbols",
        *(str(path.relative_to(ROOT)) for path in ROOT.glob("debian/libshmring*.symbols")))


def loaded(path):
    """A program without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(path.name, loader))
    loader.exec_module(module)
    return module


release = loaded(ROOT / ".ci/release")
site = loaded(ROOT / ".ci/site/build")
VERSION = release.first(r"^  version: '([^']+)'", (ROOT / "meson.build").read_text(encoding="utf-8"))


class Tree:
    def __init__(self, folder):
        self.folder = folder
        for name in READ:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        self.git("init", "-q")
        self.write("README.md", f"**Status: {VERSION}.**\n")
        self.write("CHANGELOG.md", f"# Changes\n\n## {VERSION} (2026-01-31)\n- One.\n")
        self.write("debian/changelog", f"gst-frame-supplier ({VERSION}) unstable; urgency=medium\n")
        self.commit()

    def git(self, *arguments):
        who = ("-c", "user.name=test", "-c", "user.email=test@invalid")
        subprocess.run(["git", "-C", self.folder, *who, *arguments], check=True, capture_output=True)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "-q", "--message", "all")

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def edit(self, name, before, after):
        text = (self.folder / name).read_text(encoding="utf-8")
        assert re.search(before, text, re.M), (name, before)
        self.write(name, re.sub(before, after, text, count=1, flags=re.M))

    def faults(self):
        return list(release.faults(self.folder, VERSION))

    def open_points(self):
        return list(release.open_points(self.folder, VERSION))


needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@needs_git
def test_a_tree_that_is_ready_can_be_released(tree):
    assert (tree.faults(), tree.open_points()) == ([], [])


@needs_git
@pytest.mark.parametrize("name, before, after", [
    ("meson.build", r"^  version: '[^']+'", "  version: '9.9.9'"),
    ("shmring/include/shmring/version.h", r"_MICRO \d+", "_MICRO 99"),
    ("pyproject.toml", r'^dynamic = .*$', 'version = "9.9.9"'),
    ("debian/changelog", r"\([^)]+\)", "(9.9.9)"),
    ("CHANGELOG.md", r"^## \S+", "## 9.9.9"),
])
def test_a_version_that_differs_is_named_with_its_place(tree, name, before, after):
    tree.edit(name, before, after)
    assert any(sentence.startswith(f"{name} has version") for sentence in tree.faults())


@needs_git
def test_an_entry_without_text_is_refused(tree):
    tree.write("CHANGELOG.md", f"# Changes\n\n## {VERSION} (2026-01-31)\n\n## 0.0.1 (2025-01-01)\n- Old.\n")
    assert tree.faults() == [f"CHANGELOG.md says nothing under “## {VERSION} (date)”"]


@needs_git
def test_a_long_line_of_debian_s_changelog_is_refused(tree):
    tree.edit("debian/changelog", r"\Z", f"\n  * {'x' * 77}\n")
    assert len(tree.faults()) == 1 and "longer than 80" in tree.faults()[0]


@needs_git
@pytest.mark.parametrize("date", ["unreleased", "31 January", "2026-02-31", str(datetime.date.today() + datetime.timedelta(days=2))])
def test_a_release_needs_a_date_that_has_come(tree, date):
    tree.write("CHANGELOG.md", f"# Changes\n\n## {VERSION} ({date})\n- One.\n")
    tree.commit()
    assert tree.faults() == []
    assert len(tree.open_points()) == 1 and date in tree.open_points()[0]


@needs_git
def test_what_is_still_to_do_is_listed(tree):
    tree.write("README.md", "**Status: nothing is released yet.**\n")
    tree.edit("debian/changelog", "unstable", "UNRELEASED")
    said = "\n".join(tree.open_points())
    assert "UNRELEASED" in said and "status line" in said and "not committed" in said


@needs_git
def test_a_version_is_released_once(tree):
    tree.git("tag", f"v{VERSION}")
    assert tree.open_points() == [f"v{VERSION} is there already: the next version is due"]


FIRST_FIELD = r"^(  columns_divisor) 0 4"
BREAKS = {
    "C API: shmring_plane_layout.columns_divisor": (release.LAYOUT, FIRST_FIELD, r"\1 4 4"),
    "C API: shmring_now": (release.SYMBOLS, r"^shmring_now\n", ""),
    "shared memory: SlotDescriptor.pts": (release.PAGE, r"^\| SlotDescriptor.pts \| 24", "| SlotDescriptor.pts | 32"),
    "shared memory: SlotDescriptor": (release.PAGE, r"^\| SlotDescriptor \| \| 192", "| SlotDescriptor | | 256"),
    "message: Hello.role": (release.PAGE, r"^\| Hello.role \| 12", "| Hello.role | 13"),
    "message: END.type": (release.PAGE, r"^\| END \| 6 \|", "| END | 16 |"),
}
RAISED = {"C API": ("shmring/capi/meson.build", r"soversion: '\d+'", "soversion: '99'"),
          "shared memory": ("shmring/abi/layout.hpp", r"kLayoutVersion = \d+", "kLayoutVersion = 99"),
          "message": ("shmring/abi/wire.hpp", r"kProtocol = \d+", "kProtocol = 99")}


@needs_git
@pytest.mark.parametrize("broken", BREAKS)
def test_a_change_that_breaks_others_needs_the_version_that_tells_them(tree, broken):
    tree.git("tag", "v0.0.1")
    tree.edit(*BREAKS[broken])
    said = tree.faults()
    assert len(said) == 1 and said[0].startswith(f"{broken} is gone or elsewhere since 0.0.1: raise "), said
    tree.edit(*RAISED[broken.split(":")[0]])
    tree.write("debian/libshmring99.symbols", "")
    assert tree.faults() == []


@needs_git
def test_a_soname_needs_its_package(tree):
    tree.edit(*RAISED["C API"])
    assert tree.faults() == ["the soname is 99, and debian/ has no package libshmring99"]


@needs_git
def test_what_grows_breaks_nothing(tree):
    tree.git("tag", "v0.0.1")
    tree.edit(release.LAYOUT, r"^shmring_array 160\n", "shmring_new 8\n  struct_size 0 8\nshmring_array 168\n")
    tree.edit(release.SYMBOLS, r"^shmring_now\n", "shmring_now\nshmring_never\n")
    tree.edit(release.PAGE, r"^\| Hello.role ", "| Hello.new | 104 | 8 | |\n| Hello.role ")
    assert tree.faults() == []


def test_headings_have_the_anchors_that_links_use():
    assert site.slug("What a branch gets") == "what-a-branch-gets"
    assert site.slug("`meson install`, and pip") == "meson-install-and-pip"


@pytest.mark.parametrize("page, finding", [
    ('<a href="two.html">', "index.html: the link two.html leads nowhere"),
    ('<a href="#nowhere">', "index.html: the link #nowhere leads nowhere"),
    ('<script src="https://elsewhere.example/x.js"></script>', "index.html: fetches https://elsewhere.example/x.js"),
    ('<img src="x.png">', "index.html: x.png is not there"),
    ("", "lonely.html: no link leads there from the first page"),
])
def test_a_page_that_is_wrong_is_found(tmp_path, page, finding):
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "lonely.html").write_text("" if not page else '<a href="index.html">', encoding="utf-8")
    assert finding in list(site.findings(tmp_path))


def test_a_folder_of_the_navigation_is_its_pages_that_stand_nowhere_else():
    pages = ["README.md", "docs/a.md", "docs/b.md", "docs/adr/c.md"]
    assert site.navigation([{"First": "README.md"}, {"All": ["docs/", "gone.md"]}, {"None": ["gone/"]}, {"B": ["docs/b.md"]}], pages) == [
        {"First": "README.md"}, {"All": ["docs/a.md"]}, {"B": ["docs/b.md"]}]


def test_a_dry_run_of_this_tree(tmp_path):
    if not shutil.which("git") or subprocess.run(["git", "-C", ROOT, "rev-parse"], capture_output=True, check=False).returncode:
        pytest.skip("an archive is made of a commit, and this is no clone")
    if not os.path.exists("/usr/bin/mkdocs"):
        pytest.skip("Debian's package mkdocs is not installed (group lint of .ci/packages)")
    done = subprocess.run([ROOT / ".ci/release", "--dry-run", "--out", tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left out: Debian packages, wheel and sdist" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"gst-frame-supplier-{VERSION}.tar.xz", "NOTES.md", "SHA256SUMS", "site"}
    pages = tmp_path / "out/site" / VERSION
    for page in ("index.html", "docs/elements/latestframe.html", "examples/surveillance/docs/service.html", "CHANGELOG.html"):
        assert (pages / page).is_file()
    versions = (tmp_path / "out/site/versions.js").read_text(encoding="utf-8")
    assert f'versions = ["{VERSION}"]' in versions and (tmp_path / "out/site/latest").resolve() == pages
