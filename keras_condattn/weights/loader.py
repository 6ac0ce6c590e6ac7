"""Loads weights into a model whole, or leaves the model as it was."""

import os
import tempfile
import warnings
import zipfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_condattn.weights.places import locate
from keras_condattn.weights.records import WeightsRecord
from keras_condattn.weights.registry import find, registered

Weights: TypeAlias = str | os.PathLike[str] | None
Shapes: TypeAlias = Counter[tuple[int, ...]]
SUFFIXES = (".weights.h5", ".keras")


def resolve(weights: Weights, architecture: str) -> WeightsRecord | Path | None:
    """Says what a `weights` argument means, without loading anything.

    Args:
        weights: None, a registered name, or the path of a `.weights.h5` or
            `.keras` file. A registered name goes before a file of that name.
        architecture: name of the factory.

    Returns:
        None, the record of that name, or the path.

    Raises:
        ValueError: for anything else, listing the registered names.
    """
    if weights is None:
        return None
    if not isinstance(weights, str | os.PathLike):
        raise ValueError(
            f"weights must be None, a registered name or a path, got {weights!r}"
        )
    path = Path(weights)
    if isinstance(weights, str):
        if weights in registered(architecture) or not path.is_file():
            return find(architecture, weights)
    elif not path.is_file():
        raise ValueError(f"weights must name an existing file, got {path}")
    if not path.name.endswith(SUFFIXES):
        raise ValueError(
            f"weights must be a {' or '.join(SUFFIXES)} file, got {path}; the "
            "authors' own checkpoints go through keras_condattn.load_official"
        )
    return path


def load_into(model: Any, weights: Weights, architecture: str) -> Any:
    """Loads a registered name or a file into a model.

    Args:
        model: a built `keras.Model`.
        weights: as for `resolve`; None leaves the model as it is.
        architecture: name of the factory that made the model.

    Returns:
        `model`.

    Raises:
        ValueError: naming `weights`, for an unknown name, a damaged file, or the
            file of another network. The model's variables are then unchanged.
        FileNotFoundError: for a registered file that is nowhere to be found.
    """
    return load_resolved(model, resolve(weights, architecture), architecture)


def load_resolved(
    model: Any, source: WeightsRecord | Path | None, architecture: str
) -> Any:
    """`load_into` for what `resolve` returned."""
    if source is None:
        return model
    path = locate(source) if isinstance(source, WeightsRecord) else source
    try:
        held = _shapes(path)
    except Exception as error:
        found = _first_line(error)
        raise ValueError(f"weights: {path} is damaged ({found})") from error
    _check_fits(held, _needed(model), path, architecture)
    try:
        _load_whole(model, path)
    except Exception as error:
        raise ValueError(
            f"weights: {path} cannot be loaded into {architecture}, which is left as "
            f"it was ({_first_line(error)})"
        ) from error
    return model


def _shapes(path: Path) -> Shapes:
    """The shapes of all arrays in a file, the optimizer's left out."""
    import h5py

    shapes: Shapes = Counter()

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            shapes[item.shape] += 1

    with ExitStack() as stack:
        file: Any = path
        if path.suffix == ".keras":
            archive = stack.enter_context(zipfile.ZipFile(path))
            file = stack.enter_context(archive.open("model.weights.h5"))
        stack.enter_context(h5py.File(file, "r")).visititems(visit)
    return shapes


def save_weights(model: Any, path: Path) -> None:
    """Saves a model's weights without its optimizer's state, which triples a file."""
    skipped = [getattr(model, "optimizer", None)]
    keras.saving.save_weights(model, path, objects_to_skip=skipped)


def _needed(model: Any) -> Shapes:
    """What Keras would store of this model, found by letting it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "needed.weights.h5"
        save_weights(model, path)
        return _shapes(path)


def _check_fits(held: Shapes, needed: Shapes, path: Path, architecture: str) -> None:
    """Keras silently ignores arrays in the file that the model has no place for."""
    if held != needed:
        lacking, spare = (needed - held), (held - needed)
        raise ValueError(
            f"weights: {path} is not of this {architecture}: it holds {held.total()} "
            f"arrays where the model needs {needed.total()}"
            f"{_some('it lacks', lacking)}{_some('it has besides', spare)}. Were other "
            "arguments used when it was trained?"
        )


def _some(what: str, shapes: Shapes) -> str:
    listed = ", ".join(str(shape) for shape in sorted(shapes)[:3])
    more = ", ..." if len(shapes) > 3 else ""
    return f"; {what} shapes {listed}{more}" if shapes else ""


def _load_whole(model: Any, path: Path) -> None:
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]
    try:
        with warnings.catch_warnings():
            # Keras only warns where it leaves nested layers at their start values.
            warnings.filterwarnings("error", message="Skipping nested container")
            model.load_weights(path)
    except Exception:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
        raise


def _first_line(error: Exception) -> str:
    """An error in one line: Keras's own run to pages."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
