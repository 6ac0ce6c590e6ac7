"""What is known about trained weights, as one checked and frozen record."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.weights\.h5")
SHA256 = re.compile(r"[0-9a-f]{64}")
# What the user chooses at every call, and no training can settle.
NOT_CONFIG = ("weights", "data_format", "name")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsFacts:
    """What whoever trained the weights knows about them, before there is a file.

    Args:
        architecture: name of the factory in `keras_condattn.applications`.
        name: what a user passes as `weights=`; unique within the architecture.
        dataset: the data trained on, which part of it, and where it comes from.
        metrics: name -> number or text, what was measured on unseen data.
        licence: of the weights, and of the data where that limits their use.
        config: the factory's arguments, shapes channels-last; None in
            `input_shape` stands for any size.
        preprocessing: name -> value, what was done to an image before the model.
        conditioning: what the vector holds, entry by entry; empty without one.
        protocol: how they were trained, chosen and measured.
        source: the paper, and where the weights come from if they are not ours.
        command: what made them.
        notes: limits, and anything a user should know. Defaults to `""`.

    Raises:
        ValueError: for a field of another kind or an empty one.
    """

    architecture: str
    name: str
    dataset: str
    metrics: Mapping[str, float | str]
    licence: str
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    conditioning: str
    protocol: str
    source: str
    command: str
    notes: str = ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check_kind(field.name, getattr(self, field.name), field.type)
        self._check("architecture", self.architecture.isidentifier(), "an identifier")
        named = NAME.fullmatch(self.name) and self.name.lower() != "none"
        self._check("name", named, "letters, digits, _ and -, and not 'None'")
        for key, value in self.metrics.items():
            number = isinstance(value, int | float) and math.isfinite(value)
            fits = number or isinstance(value, str)
            self._check(f"metrics[{key!r}]", fits, "a finite number or a text", value)
        self._check("metrics", self.metrics, "something measured")
        chosen = [key for key in NOT_CONFIG if key in self.config]
        what = f"without {', '.join(NOT_CONFIG)}: the user chooses these"
        self._check("config", not chosen, what)
        shape = self.config.get("input_shape", ())
        fits = isinstance(shape, list | tuple) and all(map(_is_size, shape))
        what = "channels-last sizes, None for any"
        self._check("config['input_shape']", fits, what, shape)

    def _check_kind(self, field: str, value: object, kind: object) -> None:
        if kind is str:
            fits = isinstance(value, str)
            filled = fits and (value or field in ("notes", "conditioning"))
            self._check(field, filled, "a text that says something")
        elif kind is int:
            fits = isinstance(value, int) and not isinstance(value, bool)
            self._check(field, fits, "a whole number")
        else:
            fits = isinstance(value, Mapping) and all(isinstance(k, str) for k in value)
            self._check(field, fits, "a mapping from names")

    def _check(self, field: str, fits: object, what: str, *got: object) -> None:
        if not fits:
            value = got[0] if got else getattr(self, field)
            raise ValueError(
                f"weights record {self.architecture}/{self.name}: {field} must be "
                f"{what}, got {value!r}"
            )


def plain(value: Any) -> Any:
    """Lists and arrays as tuples, so that equal contents compare equal."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(plain(item) for item in value)
    return value


def _is_size(value: object) -> bool:
    return value is None or (isinstance(value, int) and value > 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsRecord(WeightsFacts):
    """`WeightsFacts` and the file they describe.

    Args:
        file: the file's bare name, `<architecture>.<name>.weights.h5` in ours.
        sha256: of the file, 64 hexadecimal digits in lower case.
        bytes: its size.

    Raises:
        ValueError: as `WeightsFacts`, and for a file with a folder in its name.
    """

    file: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "a bare file name that ends in .weights.h5"
        self._check("file", FILE.fullmatch(self.file), what)
        what = "64 hexadecimal digits in lower case"
        self._check("sha256", SHA256.fullmatch(self.sha256), what)
        self._check("bytes", self.bytes > 0, "the size of the file")
