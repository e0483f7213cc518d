# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frame as the picture that OpenCV draws, shows and writes: 8 bits, blue, green, red."""

import re

from . import _shmring
from ._errors import Invalid

# Letters of the components as they lie in memory: "Y", "U", "V", "R", "G", "B"; "A" and "x" are left out of the picture.
_PACKED = {"AYUV": "AYUV", "VUYA": "VUYA", "v308": "YUV", "IYU2": "UYV", "Y412": "UYVA", "Y416": "UYVA"}
_PAIRS = {"YUY2": "YUYV", "YVYU": "YVYU", "UYVY": "UYVY", "VYUY": "VYUY", "Y210": "YUYV", "Y212": "YUYV", "Y216": "YUYV", "v216": "UYVY"}
_PLANES = {"YV12": ("Y", "V", "U"), "YVU9": ("Y", "V", "U"), "NV21": ("Y", "VU"), "NV61": ("Y", "VU")}

# Fields of one number: the lowest bit and the count of bits of each.
_FIELDS = {
    "RGB16": {"R": (11, 5), "G": (5, 6), "B": (0, 5)}, "BGR16": {"B": (11, 5), "G": (5, 6), "R": (0, 5)},
    "RGB15": {"R": (10, 5), "G": (5, 5), "B": (0, 5)}, "BGR15": {"B": (10, 5), "G": (5, 5), "R": (0, 5)},
    "r210": {"R": (20, 10), "G": (10, 10), "B": (0, 10)}, "Y410": {"U": (0, 10), "Y": (10, 10), "V": (20, 10)},
    **dict.fromkeys(("BGR10A2", "BGR10x2"), {"B": (0, 10), "G": (10, 10), "R": (20, 10)}),
    **dict.fromkeys(("RGB10A2", "RGB10x2"), {"R": (0, 10), "G": (10, 10), "B": (20, 10)}),
}

# OpenCV names a pattern by the second and third pixel of its second row.
_BAYER = {"rggb": "BG", "grbg": "GB", "gbrg": "GR", "bggr": "RG"}

# OpenCV's own conversions, for the matrix of BT.601 in limited range.
_AT_ONCE = {"NV12": "YUV2BGR_NV12", "NV21": "YUV2BGR_NV21", "I420": "YUV2BGR_I420", "YV12": "YUV2BGR_YV12",
            "YUY2": "YUV2BGR_YUY2", "UYVY": "YUV2BGR_UYVY", "YVYU": "YUV2BGR_YVYU",
            "RGB": "RGB2BGR", "RGBA": "RGBA2BGR", "RGBx": "RGBA2BGR", "BGRA": "BGRA2BGR", "BGRx": "BGRA2BGR"}

# Parts of red and blue in the luma, by GStreamer's name of the colorimetry and by its number of the matrix.
_BT601, _BT709, _SMPTE240M, _BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.212, 0.087), (0.2627, 0.0593)
_NAMES = {"bt601": _BT601, "bt709": _BT709, "smpte240m": _SMPTE240M, "bt2020": _BT2020, "bt2020-10": _BT2020, "bt2100-pq": _BT2020,
          "bt2100-hlg": _BT2020}
_NUMBERS = {2: (0.30, 0.11), 3: _BT709, 4: _BT601, 5: _SMPTE240M, 6: _BT2020}


def to_bgr(frame):
    """The picture as a new array (height, width, 3) of uint8."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError("to_bgr() needs OpenCV: apt install python3-opencv, or pip install opencv-python-headless") from error
    name = frame.format
    if name is None:
        raise Invalid(f"to_bgr() converts raw video whose planes are rows of samples, and this frame is {frame.caps or 'bytes without caps'}: "
                      "put a decoder or videoconvert, and video/x-raw,format=BGR, before shmringsink")
    if name[:4] in _BAYER:
        return cv2.cvtColor(_to_8_bits(frame.array, name), getattr(cv2, f"COLOR_Bayer{_BAYER[name[:4]]}2BGR"))
    if name == "BGR":
        return frame.copy()
    (red, blue), full = _colorimetry(frame)
    if name in _AT_ONCE and (name[0] in "RB" or ((red, blue) == _BT601 and not full and frame.width % 2 == 0 and frame.height % 2 == 0)):
        try:
            return cv2.cvtColor(frame.array, getattr(cv2, f"COLOR_{_AT_ONCE[name]}"))
        except Invalid:
            pass  # gaps between the planes
    parts = _components(frame, name)
    if "R" in parts:
        return cv2.merge([parts[letter] for letter in "BGR"])
    if "U" not in parts:
        grey = cv2.cvtColor(parts["Y"], cv2.COLOR_GRAY2BGR)
        return grey if full else cv2.convertScaleAbs(cv2.max(grey, (16, 16, 16, 0)), alpha=255 / 219, beta=-16 * 255 / 219)
    yuv = cv2.merge([_widened(cv2, parts[letter], frame) for letter in "YUV"])
    return cv2.transform(yuv, _matrix(red, blue, full))


def _components(frame, name):
    """Each component by its letter, as 8 bits; of colour that pixels share, fewer rows and columns."""
    base = name.split("_")[0].removesuffix("64")  # without the bits and the byte order, which the array knows
    planes = frame.planes
    if base in _FIELDS:
        return {letter: _scaled(planes[0], *field) for letter, field in _FIELDS[base].items()}
    planes = [_to_8_bits(plane, name) for plane in planes]
    if base in _PAIRS:
        order = _PAIRS[base]
        luma = order.index("Y")
        colour = planes[0][:, :, 1 - luma]
        first, second = order[1 - luma], order[3 - luma]
        return {"Y": planes[0][:, :frame.width, luma], first: colour[:, ::2], second: colour[:, 1::2]}
    if name.startswith("GRAY"):
        return {"Y": planes[0]}
    if len(planes) == 1:
        letters = _PACKED.get(base, base)
        return {letter: planes[0][:, :, place] for place, letter in enumerate(letters)}
    usual = ("Y", "UV", "A") if planes[1].ndim == 3 else tuple(base if base[0] in "RGB" else "YUVA")
    parts = {}
    for plane, names in zip(planes, _PLANES.get(base, usual)):
        for place, letter in enumerate(names):
            parts[letter] = plane[:, :, place] if plane.ndim == 3 else plane
    return parts


def _to_8_bits(array, name):
    if array.itemsize == 1:
        return array
    bits, shift = _shmring.sample_bits(name)
    return (array >> (bits + shift - 8)).astype("uint8")


def _scaled(array, lowest, bits):
    """A field of each number, from 0 to 255."""
    most = (1 << bits) - 1
    field = (array.astype("uint32") >> lowest) & most
    return ((field * 255 + most // 2) // most).astype("uint8")


def _widened(cv2, part, frame):
    """As many rows and columns as the picture has."""
    part = part.copy() if part.strides[1] != 1 else part
    columns, rows = (1 << max(0, (-(-side // has)) - 1).bit_length() for side, has in ((frame.width, part.shape[1]), (frame.height, part.shape[0])))
    if (columns, rows) != (1, 1):
        part = cv2.resize(part, (part.shape[1] * columns, part.shape[0] * rows), interpolation=cv2.INTER_LINEAR)
    return part[:frame.height, :frame.width]


def _colorimetry(frame):
    """The parts of red and blue in the luma, and whether its range is full. Without a word in caps, as GStreamer has it."""
    found = re.search(r"colorimetry=(?:\(string\))?\"?([\w:-]+)", frame.caps)
    given = found[1] if found else ""
    usual = _BT709 if frame.height > 576 else _BT601
    numbers = given.split(":")
    if len(numbers) == 4 and all(number.isdigit() for number in numbers):
        return _NUMBERS.get(int(numbers[1]), usual), numbers[0] == "1"
    return _NAMES.get(given, usual), given == "sRGB" or (not given and frame.format.startswith("GRAY"))


def _matrix(red, blue, full):
    """From Y, U, V to B, G, R, all from 0 to 255."""
    import numpy

    green = 1 - red - blue
    luma, chroma = (1, 1) if full else (255 / 219, 255 / 224)
    u = numpy.array([2 * (1 - blue), -2 * blue * (1 - blue) / green, 0]) * chroma
    v = numpy.array([0, -2 * red * (1 - red) / green, 2 * (1 - red)]) * chroma
    y = numpy.full(3, luma)
    return numpy.column_stack([y, u, v, -y * (0 if full else 16) - 128 * (u + v)])
