# SPDX-License-Identifier: LGPL-2.1-or-later
"""The number of a picture's frame, in a comment of its JPEG: picture and number are one file, which is replaced as a whole."""

import re

START, COMMENT = b"\xff\xd8", b"\xff\xfe"
NUMBER = re.compile(rb"frame ([0-9]{1,20})")


def with_sequence(picture: bytes, sequence: int) -> bytes:
    text = b"frame %d" % sequence
    return START + COMMENT + (len(text) + 2).to_bytes(2, "big") + text + picture[len(START):]


def sequence_of(picture: bytes) -> int | None:
    """None where the picture does not say it, or is none."""
    if picture[:4] != START + COMMENT:
        return None
    number = NUMBER.fullmatch(picture[6:4 + int.from_bytes(picture[4:6], "big")])
    return int(number[1]) if number else None
