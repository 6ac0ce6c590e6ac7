"""How class maps and per-sample weights reach the losses that compare maps."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from keras_condattn._types import Tensor
from keras_condattn.losses._checks import format_of


def as_map(name: str, x: Tensor, data_format: str | None) -> tuple[Tensor, list[int]]:
    """The map in float32, and which of its axes are spatial."""
    chosen = format_of(data_format)
    tensor = ops.convert_to_tensor(x)
    rank, first = len(tensor.shape), chosen == "channels_first"
    if not 3 <= rank <= 5:
        layout = "(B, K, *S)" if first else "(B, *S, K)"
        raise ValueError(
            f"{name} must have shape {layout} with one to three spatial axes, got "
            f"{tuple(tensor.shape)}"
        )
    return ops.cast(tensor, "float32"), list(range(1 + first, rank - 1 + first))


def pair_of_maps(
    cam: Tensor, name: str, other: Tensor, data_format: str | None
) -> tuple[Tensor, Tensor, list[int]]:
    """Two maps of one shape, or a ValueError that names both."""
    first, axes = as_map("cam", cam, data_format)
    second, _ = as_map(name, other, data_format)
    _check_same(name, tuple(second.shape), "cam", tuple(first.shape))
    return first, second, axes


def per_sample(name: str, x: Tensor, like: Tensor) -> Tensor:
    """(B,) in float32 as (B, 1, ...), to stand beside `like`."""
    weight = ops.cast(ops.convert_to_tensor(x), "float32")
    if len(weight.shape) != 1:
        raise ValueError(
            f"{name} must have shape (B,), one number a sample, got "
            f"{tuple(weight.shape)}"
        )
    _check_same(name, tuple(weight.shape), "cam", tuple(like.shape[:1]))
    return ops.reshape(weight, (-1,) + (1,) * (len(like.shape) - 1))


def check_logits(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32, (B, K) and of one shape."""
    pair = [ops.cast(ops.convert_to_tensor(x), "float32") for x in (logits, target)]
    if len(pair[0].shape) != 2:
        raise ValueError(f"logits must have shape (B, K), got {tuple(pair[0].shape)}")
    _check_same("target_logits", tuple(pair[1].shape), "logits", tuple(pair[0].shape))
    return pair[0], pair[1]


def entries(name: str, given: Any, *wanted: str) -> list[Any]:
    """The entries of a loss's argument, or a ValueError that says what it lacks."""
    if not isinstance(given, Mapping) or not set(wanted) <= set(given):
        raise ValueError(
            f"{name} must be a dict of {sorted(wanted)}, got "
            f"{sorted(given) if isinstance(given, Mapping) else type(given)}"
        )
    return [given[key] for key in wanted]


def _check_same(
    name: str, got: tuple[Any, ...], other: str, wanted: tuple[Any, ...]
) -> None:
    fits = len(got) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(got, wanted, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must fit {other}, {wanted}, got {got}")
