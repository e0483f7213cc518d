# SPDX-License-Identifier: LGPL-2.1-or-later
"""Type, range and size of every value that others wrote: lines of children, files, tables of the configuration.

Each border (a place where such bytes come in) has one `except Exception`, which turns any failure into an event or an error
message with explain(). Code behind a border gets checked values only, and does not check again.
"""

import contextlib
import json
import math
import signal
import threading

COUNT = 2**64 - 1  # the largest counter of the elements
MOST_TEXT = 500  # characters
MOST_FIELDS = 64  # of one table
REPLACEMENT = "\ufffd"


class Refused(ValueError):
    """A value that is not accepted, with a sentence for people."""


class TooLong(Exception):
    """No ValueError, which parsers catch for their own purposes."""


def is_whole(value, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_number(value, low: float, high: float) -> bool:
    """NaN and infinities are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high and math.isfinite(value)


def clean(text: str, most: int = MOST_TEXT) -> str:
    """The text without control characters, line breaks and lone surrogates, cut to `most` characters."""
    part = text if len(text) <= most else text[:most - 1] + "…"
    if part.isprintable():
        return part
    return "".join(char if char.isprintable() else " " if char.isspace() else REPLACEMENT for char in part)


def short(value) -> str:
    """A refused value, for an error message."""
    return clean(repr(value), 100)


def explain(error: BaseException) -> str:
    """One sentence of bounded length, whatever was raised."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    try:
        text = _of_system(error) if isinstance(error, OSError) else str(error)
    except Exception:
        text = ""
    if not text or not isinstance(error, (ValueError, OSError, TooLong)):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return clean(text)


def _of_system(error: OSError) -> str:
    """Without the number, which says nothing to people."""
    return f"{error.strerror}: {error.filename}" if error.strerror and error.filename is not None else error.strerror or str(error)


def parse_object(line: bytes) -> dict:
    """A JSON object: no NaN, no key twice. Raises, whatever is wrong with it."""
    value = json.loads(line, parse_constant=_constant, object_pairs_hook=_pairs)
    if not isinstance(value, dict):
        raise Refused("a JSON object is needed")
    return value


def _constant(name: str):
    raise Refused(f"{name} is no JSON")


def _pairs(pairs: list) -> dict:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise Refused("a key stands in it twice")
    return table


@contextlib.contextmanager
def cpu_limit(seconds: float):
    """Raises TooLong in the block after so many seconds of processor time. Only in the main thread, where signals arrive."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expired(*_):
        raise TooLong(f"reading it takes more than {seconds:g} s of processor time")
    before = signal.signal(signal.SIGVTALRM, expired)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Fields:
    """A table from JSON, of which each value is taken with its type and range; Refused says what is wrong with which."""

    def __init__(self, what: str, table):
        if not isinstance(table, dict):
            raise Refused(f"{what}: a table is needed")
        self._what = what
        self._table = table

    def whole(self, key: str, default: int | None = None, low: int = 0, high: int = COUNT) -> int:
        """Without a default it must be there."""
        value = self._table.get(key, default)
        if not is_whole(value, low, high):
            raise self._wrong(key, value, f"a whole number of {low} to {high} is needed")
        return value

    def number(self, key: str, default: float | None = None, low: float = 0.0, high: float = 1e12) -> float:
        value = self._table.get(key, default)
        if not is_number(value, low, high):
            raise self._wrong(key, value, f"a number of {low:g} to {high:g} is needed")
        return float(value)

    def text(self, key: str, default: str | None = None, most: int = MOST_TEXT) -> str:
        """Cleaned, not refused: it is shown to people and means nothing to the program."""
        value = self._table.get(key, default)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, value, "a text is needed")
        return clean(value, most)

    def choice(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        value = self._table.get(key, default)
        if not isinstance(value, str) or (value not in known and value != default):
            raise self._wrong(key, value, f"one of {', '.join(known)} is needed")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        value = self._table.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false is needed")
        return value

    def entries(self, key: str, most: int, default: list | None = None) -> list:
        """Its values are not checked."""
        value = self._table.get(key, default)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(key, value, f"a list of at most {most} is needed")
        return value

    def tables(self, key: str, most: int) -> list["Fields"]:
        return [Fields(f"{self._what}, {key}", entry) for entry in self.entries(key, most)]

    def table(self, key: str) -> "Fields":
        return Fields(f"{self._what}, {key}", self._table.get(key))

    def named(self, most: int) -> dict[str, "Fields"]:
        """All of it, as tables by name."""
        if len(self._table) > most:
            raise Refused(f"{self._what}: {len(self._table)} entries, at most {most} are accepted")
        return {name: Fields(f"{self._what}, {clean(name, 64)}", entry) for name, entry in self._table.items()}

    def has(self, key: str) -> bool:
        return self._table.get(key) is not None

    def scalars(self, nested: bool = False) -> dict:
        """Numbers, texts, flags and nulls by name. What is nested is refused, or left out where that is expected."""
        result: dict = {}
        for key, value in self._table.items():
            if isinstance(value, (dict, list)) and nested:
                continue
            if isinstance(value, str):
                value = clean(value)
            elif not (value is None or isinstance(value, bool) or is_number(value, -COUNT, COUNT)):
                raise self._wrong(key, value, "a number, a text, true, false or null is needed")
            if len(result) >= MOST_FIELDS:
                raise Refused(f"{self._what}: at most {MOST_FIELDS} fields are accepted")
            result[clean(key, 64)] = value
        return result

    def _wrong(self, key: str, value, wanted: str) -> Refused:
        return Refused(f"{self._what}: {clean(key, 64)} = {short(value)}: {wanted}" if value is not None else
                       f"{self._what}: {clean(key, 64)} is missing: {wanted}")
