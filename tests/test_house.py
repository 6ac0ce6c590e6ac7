"""The rules of the house, as far as a machine can see them."""

import ast
import inspect
import os
import pathlib
import re
import subprocess
import sys

import keras
import pytest

import keras_condattn
from keras_condattn import _export

pytestmark = pytest.mark.pure
ROOT = pathlib.Path(keras_condattn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# Which rooms a room may import; what is below them all is everybody's.
BELOW = {
    "_brain",
    "_export",
    "_types",
    "_frame",
    "_gradient",
    "_optional",
    "_loop",
    "_window",
    "_window_products",
}
MAY_IMPORT = {
    "layers": set(),
    "losses": set(),
    "metrics": set(),
    "datasets": set(),
    "weights": set(),
    "models": {"layers", "losses"},
    "applications": {"models", "layers", "losses", "weights"},
}
files = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""


@files
def test_no_backend_and_nothing_private(path):
    for name in imports(path):
        assert name.split(".")[0] not in ("tensorflow", "torch", "jax"), name
        assert not name.startswith("keras.src"), name


@files
def test_no_lambda_layer_pickle_todo_or_assert(path):
    text = path.read_text()
    assert not re.search(r"\bLambda\(", text)
    assert not re.search(r"allow_pickle=True|\bpickle\.loads?\(", text)
    assert "TODO" not in text
    assert not any(isinstance(n, ast.Assert) for n in ast.walk(ast.parse(text)))


@files
def test_arrows_run_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    if room not in MAY_IMPORT:
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "keras_condattn" and len(parts) > 1:
            other = parts[1]
            allowed = MAY_IMPORT[room] | BELOW | {room}
            assert other in allowed, f"{room} imports {name}"


@files
def test_sizes(path):
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node, clean=False) or ""
            # What counts is the body: signatures here are long for the user's sake.
            code = node.end_lineno - node.body[0].lineno + 1 - len(doc.split("\n"))
            assert code <= 40, f"{node.name}: {code} lines"


def test_helpers_stay_small():
    helpers = list(pathlib.Path(__file__).parent.rglob("helper*.py"))
    assert helpers
    for path in helpers:
        assert path.read_text().count("\n") <= 150, path


def test_every_public_name_is_reexported_and_registered():
    rooms = [keras_condattn, *(
        getattr(keras_condattn, name) for name in MAY_IMPORT
        if hasattr(keras_condattn, name)
    )]  # fmt: skip
    named = {id(value) for room in rooms for value in vars(room).values()}
    for target in _export.PUBLIC:
        assert id(target) in named, f"{target.__name__} is public but not re-exported"
        assert keras.saving.get_registered_name(target).startswith("keras_condattn>")


def test_what_is_reexported_is_public():
    for room in (keras_condattn.layers, keras_condattn.losses, keras_condattn.models,
                 keras_condattn.applications, keras_condattn.metrics):  # fmt: skip
        for name, value in vars(room).items():
            if name[0] != "_" and not inspect.ismodule(value):
                assert value in _export.PUBLIC, f"{room.__name__}.{name}"


def modules_after(statement, backend):
    names = ("tensorflow", "torch", "jax", "keras_hub", "mitsuba", "PIL", "scipy")
    code = f"import sys; {statement}; print([m for m in {names} if m in sys.modules])"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True,
        cwd=ROOT.parent,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return set(ast.literal_eval(result.stdout.strip().splitlines()[-1]))


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_import_pulls_in_no_more_than_keras_does(backend):
    ours = modules_after("import keras_condattn", backend)
    assert ours == modules_after("import keras", backend)
    assert not (backend != "tensorflow" and "tensorflow" in ours)
    assert not (backend != "torch" and "torch" in ours)
