# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stubs say what is there: no name, method or figure more or less."""

import ast
import inspect
import pathlib
import re

import pytest
import shmring
from conftest import attach

STUB = ast.parse(pathlib.Path(shmring.__file__).with_name("__init__.pyi").read_text(encoding="utf-8"))
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
PASSED_ON = {name.asname for node in STUB.body if isinstance(node, ast.ImportFrom) for name in node.names if name.asname}


def members(node):
    """Names that a class of the stub defines, without those with two underscores."""
    names = set()
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            names.add(item.name)
        elif isinstance(item, (ast.Assign, ast.AnnAssign)):
            names.update(name.id for name in (item.targets if isinstance(item, ast.Assign) else [item.target]))
    return {name for name in names if not name.startswith("_")}


def test_every_public_name_has_a_stub_and_every_stub_is_public():
    assert {name for name in {*CLASSES, *FUNCTIONS, *PASSED_ON} if not name.startswith("_")} == set(shmring.__all__)
    assert shmring.__version__


@pytest.mark.parametrize("name", ["Frame", "Reader", "Loan", "Publisher", "batch", "Object", "Result"])
def test_a_class_has_the_methods_of_its_stub(name):
    real = {member for member in dir(getattr(shmring, name)) if not member.startswith("_")}
    assert real == members(CLASSES[name])


def test_results_and_their_reader_have_the_attributes_of_their_stubs(path):
    with shmring.Results(path) as results, shmring.ResultReader(path) as reader:
        assert {name for name in dir(results) if not name.startswith("_")} == members(CLASSES["Results"])
        assert {name for name in dir(reader) if not name.startswith("_")} == members(CLASSES["ResultReader"])
        attach(reader)
        assert set(reader.stats()) == members(CLASSES["_ReaderStats"]) | members(CLASSES["_ResultReaderStats"])


def test_gather_has_the_attributes_of_its_stub(path):
    reader = shmring.Reader(path)
    assert {name for name in dir(shmring.gather([reader])) if not name.startswith("_")} == members(CLASSES["gather"])


def test_video_capture_has_the_attributes_of_its_stub():
    assert {name for name in dir(shmring.VideoCapture()) if not name.startswith("_")} == members(CLASSES["VideoCapture"])


def test_flags_have_the_values_of_their_stubs():
    assert {item.targets[0].id: item.value.value for item in CLASSES["Flag"].body} == {flag.name: flag.value for flag in shmring.Flag}


def test_errors_have_the_bases_of_their_stubs():
    errors = [real for real in map(shmring.__dict__.get, shmring.__all__) if inspect.isclass(real) and issubclass(real, Exception)]
    assert len({real.status for real in errors}) == len(errors) > 10
    for real in errors:
        assert [base.id for base in CLASSES[real.__name__].bases] == [base.__name__ for base in real.__bases__]
        assert issubclass(real, shmring.Error) and real.__module__ == "shmring"


def test_figures_have_the_keys_of_their_stubs(path):
    with shmring.Publisher(path, slot_size=10) as publisher, shmring.Reader(path) as reader:
        attach(reader)
        ring, own = publisher.stats(), reader.stats()
    assert set(ring) == members(CLASSES["_RingStats"])
    assert set(ring["accounts"][0]) == members(CLASSES["_ReaderAccount"])
    assert set(own) == members(CLASSES["_ReaderStats"])
    assert set(own["age"]) == members(CLASSES["_Times"])


@pytest.mark.parametrize(("argument", "alias"), [("drop_policy", "_Policy"), ("wake", "_Wake")])
def test_choices_have_the_names_of_the_library(path, argument, alias):
    with pytest.raises(shmring.Invalid) as refused:
        shmring.Reader(path, **{argument: "none of them"})
    known = re.search(r"is one of (.*), not", str(refused.value))[1].split(", ")
    literal = next(node.value for node in STUB.body if isinstance(node, ast.Assign) and node.targets[0].id == alias)
    assert known == [value.value for value in literal.slice.elts]


def test_arguments_have_the_names_and_defaults_of_their_stubs():
    for name in "Reader", "Publisher", "Frame", "Loan", "VideoCapture", "batch", "Results", "ResultReader":
        for stub in CLASSES[name].body:
            if not isinstance(stub, ast.FunctionDef) or stub.decorator_list or (stub.name.startswith("__") and stub.name != "__init__"):
                continue
            real = list(inspect.signature(getattr(getattr(shmring, name), stub.name)).parameters.values())[1:]
            assert [argument.arg for argument in [*stub.args.args[1:], *stub.args.kwonlyargs]] == [parameter.name for parameter in real]
            defaults = [ast.literal_eval(value) for value in [*stub.args.defaults, *stub.args.kw_defaults] if value is not None]
            assert defaults == [parameter.default for parameter in real if parameter.default is not parameter.empty]
