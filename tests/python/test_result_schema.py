# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/results.schema.json says of each result what the readers do, and writers write only what it allows."""

import copy
import json
import os
import pathlib
import random
import re

import numpy as np
import pytest
import shmring
from conftest import attach, eventually
from shmring import _shmring

jsonschema = pytest.importorskip("jsonschema")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/results.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SEEDS = 20
FULL = {
    "ring": "/run/cam.sock", "sequence": 5, "pts": 6, "width": 640, "height": 480, "worker": "person", "model": "hog ä", "took": 7,
    "objects": [
        {"label": "person", "score": 0.9, "box": [10, -2.5, 30, 80], "track": 7, "polygon": [[1, 2], [3, 4]], "keypoints": [[1, 2], [3, 4, 0.5]],
         "attributes": {"coat": "red", "height": 1.8, "walks": True}},
        {"label": "face", "score": 1, "box": [0, 0, 1, 1], "parent": 0},
    ],
    "classes": [{"label": "day", "score": 0.75}], "extra": {"a": [1, {"b": None}]},
}
VALUES = [
    None, True, False, 0, -1, 1, 0.5, 5.0, 1e6, -1e6, 1000000.5, 1_000_001, (1 << 63) - 1, 1 << 63, (1 << 64) - 2, (1 << 64) - 1, 1 << 64, 1e300,
    "", "a", "ä" * 255, "ä" * 256, "x" * 1023, "x" * 1024, "a\0b", "a\n", "\x7f", [], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5], [[1, 2]],
    [[1, 2, 3]], {}, {"a": 1}, {"a": None}, {"a": [1]}, {"label": "a", "score": 1}, {"label": "a", "score": 1, "box": [0, 0, 1, 1]},
]


def accepts(document):
    """What the library says to it."""
    try:
        _shmring.check_result(json.dumps(document).encode())
    except shmring.Invalid:
        return False
    return True


def in_order(document):
    """No schema can say that a parent comes before its parts."""
    objects = document.get("objects") if isinstance(document, dict) else None
    parents = [(index, each["parent"]) for index, each in enumerate(objects if isinstance(objects, list) else [])
               if isinstance(each, dict) and "parent" in each]
    return all(not isinstance(parent, (int, float)) or parent < index for index, parent in parents)


def places(value):
    """Every list and object in a document, with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(items):
        yield value, key
        yield from places(each)


def assert_agreed(document):
    assert accepts(document) == (VALIDATOR.is_valid(document) and in_order(document)), json.dumps(document)[:2000]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert VALIDATOR.is_valid(FULL) and accepts(FULL)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value)[:20])
def test_it_agrees_about_any_value_in_any_place(value):
    assert_agreed(value)
    for number in range(len(list(places(FULL)))):
        document = copy.deepcopy(FULL)
        parent, key = list(places(document))[number]
        parent[key] = value
        assert_agreed(document)


def test_it_agrees_about_anything_left_out():
    for number in range(len(list(places(FULL)))):
        document = copy.deepcopy(FULL)
        parent, key = list(places(document))[number]
        del parent[key]
        assert_agreed(document)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_it_agrees_about_many_changes_at_once(seed):
    chance = random.Random(seed)
    for _ in range(100):
        document = copy.deepcopy(FULL)
        for _ in range(chance.randint(1, 4)):
            parent, key = chance.choice(list(places(document)))
            if chance.random() < 0.3:
                del parent[key]
            else:
                parent[key] = copy.deepcopy(chance.choice(VALUES))
        assert_agreed(document)


def test_it_has_the_limits_of_the_library_for_lists():
    person = {"label": "a", "score": 1, "box": [0, 0, 1, 1]}
    for name, items, most in (("objects", person, 1000), ("classes", {"label": "a", "score": 1}, 1000)):
        for count in (most, most + 1):
            document = {"objects": [], name: [items] * count}
            assert accepts(document) == VALIDATOR.is_valid(document) == (count == most)
    for name, item, most in (("polygon", [0, 0], 1000), ("keypoints", [0, 0], 1000)):
        for count in (most, most + 1):
            document = {"objects": [{**person, name: [item] * count}]}
            assert accepts(document) == VALIDATOR.is_valid(document) == (count == most)
    for count in (64, 65):
        document = {"objects": [{**person, "attributes": {str(number): number for number in range(count)}}]}
        assert accepts(document) == VALIDATOR.is_valid(document) == (count == 64)
    for length in (255, 256):
        document = {"objects": [{**person, "attributes": {"x" * length: 1}}]}
        assert accepts(document) == VALIDATOR.is_valid(document) == (length == 255)


def test_python_writes_what_it_allows(path):
    found = shmring.Object("person", 0.9, (10, -2.5, 30, 80), track=7, polygon=[(1, 2)], keypoints=[(1, 2, 0.5)], attributes={"a": 1})
    with shmring.Results(path, worker="person", model="hog") as results, shmring.Reader(path, worker="test") as reader:
        attach(reader)
        results.send(None, [found, found], classes=[("day", 0.5)], extra={"a": None}, ring="/run/cam.sock", sequence=1, pts=2, width=3, height=4,
                     took=5)
        results.send(None)
        for _ in range(2):
            VALIDATOR.validate(json.loads(bytes(reader.read())))
    VALIDATOR.validate(json.loads(shmring.Result().to_json()))


@pytest.mark.skipif("EXAMPLES_BUILT" not in os.environ or not (pathlib.Path(os.environ["EXAMPLES_BUILT"]) / "cpp/results").exists(),
                    reason="the examples are not built")
def test_c_plus_plus_writes_what_it_allows(path, spawn, tmp_path):
    camera = str(tmp_path / "camera.sock")
    worker = spawn(pathlib.Path(os.environ["EXAMPLES_BUILT"]) / "cpp/results", camera, path, 3)
    with shmring.Publisher(camera, format="GRAY8", width=64, height=48) as publisher, shmring.Reader(path, worker="test") as raw:
        picture = np.zeros((48, 64), np.uint8)
        picture[10:20, 30:50] = 255
        eventually(lambda: shmring.inspect(camera)["accounts"])
        publisher.publish(picture, pts=77)
        document = json.loads(bytes(raw.read()))
        VALIDATOR.validate(document)
        assert (document["sequence"], document["pts"], document["width"], document["height"]) == (1, 77, 64, 48)
        assert document["objects"][0]["box"] == [30, 10, 20, 10]
        worker.kill()


def test_the_example_in_the_documentation_is_a_result():
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    for text in re.findall(r"```json\n(.*?)```", page, re.S):
        VALIDATOR.validate(json.loads(text))
        _shmring.check_result(text.encode())


def test_the_documentation_names_every_field():
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    for name in (*SCHEMA["properties"], *SCHEMA["$defs"]["object"]["properties"]):
        assert f"`{name}`" in page, name
