# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checks, checked: each finds what it is for and passes what is right."""
import json
import shutil
import sys

import check_abi
import check_docs
import check_launch_lines
import check_layers
import check_limits
import check_orders
import check_python
import check_shell
import check_style
import check_tests_registered
import count_tests
import launch_lines
import pytest
import tap


@pytest.mark.parametrize("path, line", [
    ("shmring/lane/a.hpp", "#include <unistd.h>"),
    ("shmring/lane/a.hpp", "#include <chrono>"),
    ("shmring/lane/a.cpp", '#include "os/fd.hpp"'),
    ("shmring/os/a.cpp", '#include "reader/reader.hpp"'),
    ("shmring/os/a.cpp", "#include <glib.h>"),
    ("shmring/publisher/a.cpp", "#  include <sys/mman.h>"),
    ("shmring/publisher/a.cpp", '#include "reader/reader.hpp"'),
    ("shmring/reader/a.cpp", '#include "publisher/ring.hpp"'),
    ("shmring/capi/a.cpp", '#include "os/fd.hpp"'),
    ("shmring/include/shmring/a.h", "#include <glib.h>"),
    ("shmring/tools/a.cpp", '#include "reader/reader.hpp"'),
    ("gst/latestframe/a.cpp", '#include "ring/gstshmringsink.hpp"'),
    ("gst/latestframe/a.cpp", '#include "os/fd.hpp"'),
    ("gst/base/a.cpp", "#include <unistd.h>"),
])
def test_an_include_upwards_is_found(path, line):
    assert check_layers.problems(path, f"// a comment\n{line}\n") == [f"{path}:2: includes {check_layers.INCLUDE.search(line).group(2)}"]


@pytest.mark.parametrize("path, line", [
    ("shmring/lane/a.hpp", "#include <atomic>"),
    ("shmring/abi/a.hpp", "#include <shmring/types.h>"),
    ("shmring/os/a.cpp", "#include <sys/mman.h>"),
    ("shmring/publisher/a.cpp", '#include "lane/slot_refs.hpp"'),
    ("gst/ring/a.cpp", '#include "publisher/publisher.hpp"'),
    ("gst/latestframe/a.cpp", "#include <gst/video/video.h>"),
    ("tests/unit/a.cpp", "#include <unistd.h>"),
])
def test_an_include_downwards_is_fine(path, line):
    assert not check_layers.problems(path, line)


def test_a_circle_of_parts_is_found_also_through_the_sources():
    parts = {"gst/x/a.hpp": '#include "x/b.hpp"', "gst/x/a.cpp": '#include "x/a.hpp"', "gst/x/b.hpp": "", "gst/x/b.cpp": '#include "x/b.hpp"'}
    assert not check_layers.circle(parts)
    assert check_layers.circle(parts | {"gst/x/b.cpp": '#include "a.hpp"'})


def test_an_unpacked_archive_has_the_same_files_as_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(tap, "ROOT", tmp_path)
    for name in ("README.md", "docs/a.md", "gst/ring/b.hpp", "build/c.md", "build-asan/d.hpp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert tap.sources("*.md") == ["README.md", "docs/a.md"]
    assert tap.sources("README.md", "docs/**.md", "gst/**.hpp") == ["README.md", "docs/a.md", "gst/ring/b.hpp"]


def test_style_wants_a_licence_a_purpose_and_an_end():
    good = "// SPDX-License-Identifier: LGPL-2.1-or-later\n// Purpose of this file.\n"
    assert not check_style.problems("a.cpp", good)
    assert check_style.problems("a.cpp", "// Purpose of this file.\n")
    assert check_style.problems("a.cpp", good.splitlines()[0])
    assert check_style.problems("a.cpp", good + "// TO" "DO\n")
    assert check_style.problems("a.cpp", good + "int a; \n")
    assert check_style.problems("a.cpp", good + "\n" * 600)


def in_a_tree_of(files, tmp_path, monkeypatch):
    """Makes the checks look at these files instead of the project."""
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for module in tap, check_python, check_shell:
        monkeypatch.setattr(module, "ROOT", tmp_path)


def test_a_program_is_known_by_its_first_line(tmp_path, monkeypatch):
    in_a_tree_of({"a.py": "", "run": "#!/usr/bin/env python3\n", "go": "#!/bin/sh -e\n", "a.sh": "", "page.md": "#!/bin/sh\n", "empty": ""},
                 tmp_path, monkeypatch)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert tap.programs({"python3"}, "*.py") == ["a.py", "run"]
    assert tap.programs({"sh", "bash"}, "*.sh") == ["a.sh", "go"]


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_a_word_that_may_fall_apart_is_found_in_a_shell_script(tmp_path, monkeypatch):
    in_a_tree_of({"good": '#!/bin/sh\nrm "$1"\n', "bad": "#!/bin/sh\nrm $1\n"}, tmp_path, monkeypatch)
    assert not check_shell.problems(["good"])
    assert ["SC2086" in problem for problem in check_shell.problems(["good", "bad"])] == [True]


@pytest.mark.parametrize("tool, bad", [("flake8", "import os\n"), ("mypy", "number: int = 'one'\n")])
def test_a_mistake_in_python_is_found(tool, bad, tmp_path, monkeypatch):
    pytest.importorskip(tool)
    in_a_tree_of({"good.py": "number: int = 1\n", "bad.py": bad}, tmp_path, monkeypatch)
    assert not check_python.run(tool, "good.py")
    assert "bad.py:1" in check_python.run(tool, "good.py", "bad.py")[0]


def test_an_orphan_test_is_found():
    root = check_tests_registered.ROOT
    path = str(root / "tests/unit/a_test.cpp")
    program = "/b/a_test"
    problem = check_tests_registered.problem
    assert "no executable" in problem("tests/unit/a_test.cpp", {}, [])
    assert "no test()" in problem("tests/unit/a_test.cpp", {path: [program]}, [])
    assert not problem("tests/unit/a_test.cpp", {path: [program]}, [[program]])
    assert problem("tests/python/test_a.py", {}, [["python3"]])
    assert not problem("tests/python/test_a.py", {}, [["python3", str(root / "tests/python")]])
    assert not problem("tests/python/test_a.py", {}, [["python3", str(root / "tests/python/test_a.py")]])


def test_a_layout_that_the_page_does_not_tell_is_found():
    page = "| Head.magic | 0 | 8 | |\n| Head.rest | 8 | |\n| Head | | 16 | |\n| END | 6 | publisher | a word | 16 |\n"
    assert len(check_abi.assertions(page)) == 6
    header = "struct Head {\n  Word64 magic;\n  std::uint32_t reserved[3];\n  Word64 rest[];\n};\n"
    assert not list(check_abi.missing(page, header))
    assert list(check_abi.missing(page, header.replace("rest[]", "new_one"))) == ["docs/abi.md says nothing of Head.new_one"]
    said = "struct Hello {\n  Head head;\n  std::uint64_t word;\n};\nstruct Inner {\n  int not_said;\n};\n"
    assert list(check_abi.missing(page, header, said)) == ["docs/abi.md says nothing of Hello.word"]


def test_a_memory_order_is_found_with_the_word_that_it_is_of():
    code = """
      // memory_order_seq_cst in a comment
      if (Ops::load(page_.ack[held_[i].slot], std::memory_order_acquire) == 1) go();
      return Ops::load(a.b, std::memory_order_relaxed) && Ops::exchange(page_.waiting, 0u, std::memory_order_release);
      words_[slot / 64].fetch_or(std::uint64_t{1} << 2, std::memory_order_acq_rel);
      lane->wanted.load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_seq_cst);
    """
    assert list(check_orders.orders(code)) == [("ack", "acquire"), ("waiting", "release"), ("words", "acq_rel"), ("?", "seq_cst")]


def test_a_dead_link_and_an_unlisted_record_are_found():
    assert not list(check_docs.dead_links("README.md", "[a](tests/run) [b](https://example.org) [c](#here)\n```\n[d](no)\n```\n"))
    assert list(check_docs.dead_links("README.md", "[a](no/such/page.md)")) == ["README.md: no/such/page.md is not there"]
    record = "".join(part + "\n" for part in check_docs.PARTS)
    assert not list(check_docs.record_problems("docs/adr/0042-x.md", record, "0042-x.md"))
    assert len(list(check_docs.record_problems("docs/adr/0042-x.md", record.replace("## Evidence", ""), ""))) == 2


def test_a_number_of_a_page_that_the_code_has_not_is_found():
    code = check_limits.Code({"a.cpp": "constexpr std::uint64_t kMillisecond = 1'000'000;\nconstexpr std::uint64_t kRest = 5 * kMillisecond;\n",
                              "b.hpp": "#define MOST 63 /* lanes */\nint kRest = 7;\n"})
    row = ("page", r"every (\w+) ms", 1e6, "kRest", "a.cpp")
    assert not list(check_limits.wrong({"page": "it answers every 5 ms"}, code, *row))
    assert list(check_limits.wrong({"page": "it answers every 4 ms"}, code, *row)) == [
        'page: "every (\\w+) ms" says 4, the code has kRest = 5']
    assert "any more" in "".join(check_limits.wrong({"page": "it answers"}, code, *row))
    assert "which" in "".join(check_limits.wrong({"page": "every 5 ms"}, code, "page", r"every (\w+) ms", 1e6, "kRest"))
    assert "successor" in "".join(check_limits.wrong({"page": "every 5 ms"}, code, "page", r"every (\w+) ms", 1e6, "kGone"))
    assert code.value("MOST - 1") == 62
    table = "| 640×480 BGR (0.9 MB) | 1 | 5, 4 | {} | {} MB |\n"
    assert not list(check_limits.wrong_rows(table.format(13, 12), 3, 16384))
    assert len(list(check_limits.wrong_rows(table.format(12, 9), 3, 16384))) == 2


PAGE = """
```sh
# one terminal
$ gst-launch-1.0 videotestsrc num-buffers=3 ! \\
    autovideosink
GST_DEBUG=1 gst-launch-1.0 videotestsrc ! fakesink &
apt-get install x
```
<!-- together -->
```python
print(1)
```
<!-- not run: needs a camera that is not here -->
```
gst-launch-1.0 nothing
```
```python
not_run()
```
```sh
shmring stat cam.sock   # another session
```
"""


def test_a_page_becomes_sessions():
    assert launch_lines.markdown_sessions(PAGE) == [
        (3, [["gst-launch-1.0", "videotestsrc", "num-buffers=3", "!", "fakesink", "name=screen"],
             ["env", "GST_DEBUG=1", "gst-launch-1.0", "videotestsrc", "!", "fakesink"],
             [sys.executable, "-c", "print(1)\n"]]),
        (21, [["shmring", "stat", "cam.sock"]])]


def test_a_source_comment_becomes_a_session():
    source = "/**\n * |[\n * gst-launch-1.0 videotestsrc ! \\\n *     fakesink\n * ]|\n */\n"
    wrapped = "/**\n * |[\n * gst-launch-1.0 videotestsrc !\n * fakesink\n * ]| does it.\n */\n"
    assert launch_lines.source_sessions(wrapped) == launch_lines.source_sessions(source)
    assert launch_lines.source_sessions(source) == [(2, [["gst-launch-1.0", "videotestsrc", "!", "fakesink"]])]


def test_a_session_that_works_passes_and_one_that_does_not_fails():
    run = check_launch_lines.run_session
    assert not run([["gst-launch-1.0", "videotestsrc", "num-buffers=3", "!", "fakesink"]])
    assert not run([[sys.executable, "-c", "import time; time.sleep(60)"]])  # ends when asked
    assert run([["gst-launch-1.0", "videotestsrc", "!", "no-such-element"]])
    assert run([["true"], ["false"]])
    late = ["sh", "-c", "sleep 2; touch there; exec sleep 60"]
    assert not run([late, ["test", "-e", "there"]])  # a loaded machine: the second command comes too early
    assert run([[sys.executable, "-c", "raise ValueError"]])


@pytest.mark.parametrize("result, output, expected", [
    ("OK", "[  PASSED  ] 12 tests.\n", (12, 0)),
    ("FAIL", "[  PASSED  ] 10 tests.\n[  FAILED  ] 2 tests, listed below:\n\n 2 FAILED TESTS\n", (10, 2)),
    ("FAIL", "[  PASSED  ] 12 tests.\n", (12, 1)),  # a leak at the end
    ("TIMEOUT", "[ RUN      ] A.B\n", (0, 1)),
    ("OK", "1..2\nok 1 - a\nok 2 - b\n", (2, 0)),
    ("FAIL", "ok 1 - a\nnot ok 2 - b\n1..2\n", (1, 1)),
    ("OK", "===== 5 passed, 1 warning in 2.03s =====\n", (5, 0)),
    ("FAIL", "=== 1 failed, 5 passed, 2 errors in 2.03s ===\n", (5, 3)),
    ("OK", "", (1, 0)),
    ("SKIP", "", (0, 0)),
])
def test_tests_inside_a_program_are_counted(result, output, expected):
    assert count_tests.count({"result": result, "stdout": output}) == expected


def test_a_count_of_a_run_names_what_failed(tmp_path, capsys):
    log = tmp_path / "testlog.json"
    tests = [{"name": "a", "result": "OK", "stdout": "[  SKIPPED ] A.NeedsRoot (0 ms)\n", "duration": 1.0},
             {"name": "b", "result": "FAIL", "stdout": "why it failed", "duration": 1.0, "returncode": 1}]
    log.write_text("\n".join(map(json.dumps, tests)), encoding="utf-8")
    count_tests.main(log)
    said = capsys.readouterr().out
    assert "why it failed" in said
    assert "a: left out: A.NeedsRoot" in said
    assert said.splitlines()[-1] == "1 1"
