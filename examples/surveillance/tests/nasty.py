# SPDX-License-Identifier: LGPL-2.1-or-later
"""Input that a stranger may write: values, bytes and files of every wrong kind, from a seed."""

import json
import math
import os
import random
from datetime import date

SEED = int(os.environ.get("NASTY_SEED", "20"))

VALUES = (None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -2**64, 10**30, 10**400, 0.0, -0.0, 0.5, -1.5, 1e308, 5e-324, math.nan,
          math.inf, -math.inf, "", "x", "0", "nan", "\0", "a\0b", "\n", "\r\nX: y", "\x1b[31m", "\u2028", "\u202eabc", "é" * 40,
          "ok", "/", "..", "../../etc/passwd", "-rf", "lock", "state.json", "a" * 100_000, [], [[]], [1, "x", None], ["x"] * 1000, {},
          {"x": {}}, {"kind": "frame"}, {"worker": []}, [{}], [{"worker": 1}])
SURROGATES = ("\ud800", "a\udc80b")  # JSON has them, TOML has not


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def mutate(value, chance: random.Random, values=VALUES):
    """One place of it, or several, is something else, missing, doubled, or new."""
    if chance.random() < 0.15 or not isinstance(value, (dict, list)) or not value:
        return chance.choice(values)
    if isinstance(value, list):
        changed = list(value)
        place = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed.insert(place, changed[place])
            case 1:
                del changed[place]
            case _:
                changed[place] = mutate(changed[place], chance, values)
        return changed
    changed = dict(value)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        key = chance.choice(list(changed) or ["x"])
        match chance.randrange(8):
            case 0:
                changed.pop(key, None)
            case 1:
                changed[str(chance.choice(values))[:50]] = chance.choice(values)
            case _:
                changed[key] = mutate(changed.get(key), chance, values)
    return changed


def damage(data: bytes, chance: random.Random) -> bytes:
    """Some bytes are others, gone, doubled, or from elsewhere."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0:
                changed[place:place + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[place:place + chance.randrange(1, 10)]
            case 2:
                changed[place:place] = changed[place:place + chance.randrange(1, 50)]
            case 3:
                changed[place:place] = chance.choice((b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"[", b"{", b'"', b"\n", b"=", b"."))
            case 4:
                changed[place:place] = chance.choice((b"[" * 50, b"9" * 30, b"1e999", b"nan", b"-inf", b'"\\ud800"', b"'''"))
    return bytes(changed)


def toml(value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "1979-05-27"
        case float():
            return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf") if math.isinf(value) else repr(value)
        case date():
            return value.isoformat()
        case str():
            return json.dumps(value).replace("\x7f", "\\u007f")
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {toml(entry)}" for key, entry in value.items()) + "}"
    return str(value)


def file(table: dict) -> bytes:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in table.items()).encode()


def files(good: str) -> dict[str, bytes]:
    """Files that are wrong in each way that was seen; `good` is the file to change."""
    def instead(old: str, new: str) -> bytes:
        assert old in good
        return good.replace(old, new).encode()
    return {
        "empty": b"", "only NUL": b"\0" * 1000, "no UTF-8": good.encode() + b"# caf\xe9\n", "UTF-16": good.encode("utf-16"),
        "half": good.encode()[:len(good) // 2 - 3], "too large": good.encode() + b"# much\n" * 400_000,
        "nested": b"x = " + b"[" * 3000 + b"]" * 3000 + b"\n" + good.encode(), "nested tables": b"x = " + b"{a=" * 2000,
        "dotted": b"a" + b".a" * 200_000 + b" = 1\n" + good.encode(), "twice": (good + good).encode(),
        "restarts inf": instead("restarts = 50", "restarts = inf"), "restarts nan": instead("restarts = 50", "restarts = nan"),
        "restarts huge": instead("restarts = 50", "restarts = " + "9" * 4000), "restarts true": instead("restarts = 50", "restarts = true"),
        "restarts text": instead("restarts = 50", 'restarts = "50"'), "restarts negative": instead("restarts = 50", "restarts = -1"),
        "grace inf": instead("restarts = 50", "grace = inf"), "window inf": instead("restarts = 50", "window = inf"),
        "frame age inf": instead("restarts = 50", "max-frame-age = inf"), "frame age huge": instead("restarts = 50", "max-frame-age = 1e300"),
        "level list": instead("restarts = 50", 'level = [["high"]]'), "policy table": instead("restarts = 50", "policy = {x = 1}"),
        "command of NUL": instead('["sleep", "1000"]', r'["sl\u0000eep"]'), "command of nothing": instead('["sleep", "1000"]', '[""]'),
        "command of numbers": instead('["sleep", "1000"]', "[1, 2]"), "command too long": instead('"1000"', f'"{"x" * 200_000}"'),
        "input of NUL": instead('input = "test"', r'input = "a\u0000b"'), "input an option": instead('input = "test"', 'input = "--help"'),
        "input a date": instead('input = "test"', "input = 1979-05-27"),
        "stall inf": instead('input = "test"', 'input = "test"\nring = {stall-timeout = inf}'),
        "64 readers": instead('input = "test"', 'input = "test"\nring = {max-readers = 64}'),
        "camera lock": instead('name = "front"', 'name = "lock"'), "camera state.json": instead('name = "front"', 'name = "state.json"'),
        "camera events.jsonl": instead('name = "front"', 'name = "events.jsonl"'), "camera of a socket": instead('name = "front"', 'name = "a.sock"'),
        "camera too long for a socket": instead('name = "front"', f'name = "{"x" * 40}"'),
        "camera with a slash": instead('name = "front"', 'name = "a/b"'),
        "camera a file": instead('name = "front"', 'name = "occupied"'), "worker ..": instead('name = "w"', 'name = ".."'),
        "worker of a branch": instead('name = "w"', 'name = "ring-branch"'), "worker NEL": instead('name = "w"', r'name = "a\u0085b"'),
        "fault of a list": good.encode() + b"[[camera.fault]]\nworker = []\n",
        "fault": good.encode() + b'[[camera.fault]]\nworker = "w"\nsignal = []\n',
        "recorder a list": instead('input = "test"', 'input = "test"\nrecorder = []'),
        "recorder nice": instead('input = "test"', 'input = "test"\nrecorder = {nice = 99}'),
        "recorder huge": instead('input = "test"', 'input = "test"\nrecorder = {memory = ' + "9" * 400 + "}"),
        "clips nan": instead('input = "test"', 'input = "test"\nclips = {before = nan}'),
        "clips of NUL": instead('input = "test"', 'input = "test"\nclips = {folder = "a\\u0000"}'),
        "zone a table": instead('input = "test"', 'input = "test"\nzone = {points = []}'),
        "zone of NUL": instead('input = "test"', 'input = "test"\nzone = [{name = "\\u0000"}]'),
        "zone of nan": instead('input = "test"', 'input = "test"\nzone = [{name = "z", points = [[nan, 0], [1, 0], [1, 1]]}]'),
        "zone without end": instead('input = "test"', f'input = "test"\nzone = [{{name = "z", points = {[[0, 1]] * 10_000}}}]'),
        "1000 zones": instead('input = "test"', f'input = "test"\nzone = [{", ".join(["{}"] * 1000)}]'),
        "web of a list": instead("[web]", "[web]\nnames = [[]]"), "web of a number": instead("[web]", "[web]\nnames = 5"),
        "1000 cameras": "".join(f'[[camera]]\nname = "c{number}"\ninput = "test"\n' for number in range(1000)).encode(),
        "1000 workers": good.encode() + "".join(f'[[camera.worker]]\nname = "w{number}"\n' for number in range(1000)).encode(),
    }
