"""Differentiable profiles of distance, each 1 at the centre and even."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
from keras import ops

from keras_condattn._types import Tensor

Profile: TypeAlias = str | Callable[[Tensor], Tensor]


def gaussian(u: Tensor) -> Tensor:
    """`exp(-u^2 / 2)`, as released."""
    return ops.exp(-0.5 * ops.square(u))


def super_gaussian(u: Tensor) -> Tensor:
    """`exp(-u^4 / 2)`: a flat top with soft edges, nearer to a window."""
    # A power of a large distance would overflow to inf and its gradient to NaN.
    return ops.exp(-0.5 * ops.square(ops.square(ops.clip(u, -8.0, 8.0))))


def cauchy(u: Tensor) -> Tensor:
    """`1 / (1 + u^2)`: heavy tails, so that far positions keep a gradient."""
    return 1.0 / (1.0 + ops.square(ops.clip(u, -1e8, 1e8)))


def sech(u: Tensor) -> Tensor:
    """`1 / cosh(u)`: tails that fall like `exp(-|u|)`."""
    return 1.0 / ops.cosh(ops.clip(u, -60.0, 60.0))


PROFILES: dict[str, Callable[[Tensor], Tensor]] = {
    f.__name__: f for f in (gaussian, super_gaussian, cauchy, sech)
}


def resolve(profile: Any) -> Callable[[Tensor], Tensor]:
    """The function a `profile` argument stands for.

    Raises:
        ValueError: for an unknown name or something that cannot be called.
    """
    if isinstance(profile, dict):
        profile = keras.saving.deserialize_keras_object(profile)
    if isinstance(profile, str) and profile in PROFILES:
        return PROFILES[profile]
    if callable(profile):
        return profile  # type: ignore[no-any-return]
    raise ValueError(
        f"profile must be one of {sorted(PROFILES)} or a function of the normalised "
        f"distance u = (position - mu) / sigma, got {profile!r}"
    )


def serialize(profile: Callable[[Tensor], Tensor]) -> Any:
    """The name of a built-in profile, Keras' own record of any other."""
    if PROFILES.get(getattr(profile, "__name__", "")) is profile:
        return profile.__name__
    return keras.saving.serialize_keras_object(profile)
