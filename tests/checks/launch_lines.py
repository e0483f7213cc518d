# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds the commands that documentation shows and makes them runnable here.

In Markdown a fenced block is a session: its commands run together, each as if in a terminal of its own, in one new folder. A block
under `<!-- together -->` joins the session of the block before, a block under `<!-- not run -->` is left out. In the comments of
element sources a session stands between |[ and ]|.
"""
import re
import shlex
import sys

from tap import ROOT

FENCE = re.compile(r"(?P<mark><!-- *(?:together|not run)[^>]*-->\s*\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```", re.M | re.S)
EXAMPLE = re.compile(r"\|\[(?P<body>.*?)\]\|", re.S)
SHELL = ("", "sh", "bash", "shell", "console")
# Without a screen, a loudspeaker or a camera.
HERE = [(r"\b(autovideosink|ximagesink|xvimagesink|glimagesink)\b", "fakesink name=screen"),
        (r"\bautoaudiosink\b", "fakesink name=loudspeaker"),
        (r"\bv4l2src( device=\S+)?", "videotestsrc is-live=true"),
        (r"\bfpsdisplaysink\b", "fpsdisplaysink video-sink=fakesink")]
ASSIGNMENT = re.compile(r"[A-Z_]+=")
PROGRAMS = ("gst-launch-1.0", "gst-inspect-1.0", "shmring", "python3")


def as_here(text):
    for pattern, replacement in HERE:
        text = re.sub(pattern, replacement, text)
    return text


def commands(text):
    """The commands of a shell block that can run here, as words. Lines go on after a backslash; $ and # as in a terminal."""
    text = re.sub(r"\\\n\s*", " ", text)
    found = []
    for line in text.splitlines():
        line = re.sub(r"^\s*\$ ", "", line).strip()
        line = as_here(line)
        words = shlex.split(line, comments=True) if line and not line.startswith("#") else []
        words = [str(ROOT / word) if "/" in word and (ROOT / word).is_file() else word for word in words if word != "&"]
        program = next((word for word in words if not ASSIGNMENT.match(word)), "")
        if program in PROGRAMS:
            words[words.index(program)] = sys.executable if program == "python3" else program
            found.append(["env", *words] if ASSIGNMENT.match(words[0]) else words)
    return found


def markdown_sessions(text):
    """[(line, [command…])…] of a Markdown page."""
    sessions = []
    for block in FENCE.finditer(text):
        mark = block.group("mark") or ""
        if "not run" in mark:
            continue
        language, body = block.group("language"), block.group("body")
        if language in SHELL:
            found = commands(body)
        elif language == "python" and "together" in mark:
            found = [[sys.executable, "-c", as_here(body)]]
        else:
            found = []
        if "together" in mark and sessions:
            sessions[-1][1].extend(found)
        elif found or language in SHELL:
            sessions.append((text.count("\n", 0, block.start("body")) + 1, found))
    return [session for session in sessions if session[1]]


def source_sessions(text):
    """The same of the comments of an element's source."""
    sessions = []
    for block in EXAMPLE.finditer(text):
        body = re.sub(r"^[ \t]*(\*|//+)[ \t]?", "", block.group("body"), flags=re.M)
        body = re.sub(r"\\\n\s*", " ", body)
        body = re.sub(rf"\n(?!\s*(\$ )?({'|'.join(PROGRAMS)}|[A-Z_]+=))", " ", body)  # a comment wraps without a backslash
        found = commands(body)
        if found:
            sessions.append((text.count("\n", 0, block.start("body")) + 1, found))
    return sessions
