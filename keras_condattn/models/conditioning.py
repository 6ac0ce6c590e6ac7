"""Which conditioning layer goes where in a network."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from keras_condattn import layers

Conditioning: TypeAlias = (
    str | keras.layers.Layer | Callable[[], keras.layers.Layer] | None
)

CONDITIONING: dict[str, type[keras.layers.Layer]] = {
    "inside": layers.INSIDE,
    "film": layers.FiLM,
    "guiding": layers.GuidingBlock,
}


def conditioning_factory(
    conditioning: Conditioning, levels: int = 1, **kwargs: Any
) -> Callable[[], keras.layers.Layer] | None:
    """What makes the conditioning layer of each level.

    Args:
        conditioning: `"inside"`, `"film"`, `"guiding"`, None, a layer, or a callable
            without arguments that makes one (a class will do).
        levels: at how many levels it is wanted. A layer given as such serves one
            level; at several, each gets a fresh one of the same configuration,
            because the levels differ in their channels. Defaults to 1.
        **kwargs: arguments of the layer, for a `conditioning` given by name.

    Returns:
        A function without arguments, or None for no conditioning.

    Raises:
        ValueError: for an unknown name or something that makes no layer.
    """
    if conditioning is None:
        return None
    if isinstance(conditioning, str):
        if conditioning not in CONDITIONING:
            raise ValueError(
                f"conditioning must be one of {sorted(CONDITIONING)}, None, a layer or "
                f"a callable that makes one, got {conditioning!r}"
            )
        layer = CONDITIONING[conditioning]
        return lambda: layer(**kwargs)
    if isinstance(conditioning, keras.layers.Layer):
        return _copies(conditioning) if levels > 1 else lambda: conditioning
    if callable(conditioning):
        return lambda: _made(conditioning)
    raise ValueError(
        f"conditioning must be one of {sorted(CONDITIONING)}, None, a layer or a "
        f"callable that makes one, got {conditioning!r}"
    )


def _copies(layer: keras.layers.Layer) -> Callable[[], keras.layers.Layer]:
    config = {k: v for k, v in layer.get_config().items() if k != "name"}
    return lambda: layer.__class__.from_config(dict(config))


def _made(make: Callable[[], Any]) -> keras.layers.Layer:
    layer = make()
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(
            f"conditioning: {make!r} must return a keras layer, got {layer!r}"
        )
    return layer


def chosen_levels(condition_at: str | Sequence[str], levels: list[str]) -> list[str]:
    """The levels of a network that `condition_at` names.

    Args:
        condition_at: a name or names out of `levels`, or `"encoder"`, `"decoder"`,
            `"all"` for groups of them.
        levels: what the network has, e.g. `["encoder_s1", "bottleneck",
            "decoder_s1"]`; the number is the stride with respect to the input.

    Returns:
        The chosen names in the network's order, each once.

    Raises:
        ValueError: for a name the network does not have, or no name at all.
    """
    wanted = [condition_at] if isinstance(condition_at, str) else list(condition_at)
    chosen = set()
    for name in wanted:
        matches = [x for x in levels if name in (x, "all", x.split("_")[0])]
        if not matches:
            raise ValueError(
                f"condition_at must name levels of this network, {levels}, or "
                f"'encoder', 'decoder', 'all', got {name!r}"
            )
        chosen.update(matches)
    if not chosen:
        raise ValueError(
            f"condition_at must name at least one of {levels}, got {condition_at!r}; "
            "for no conditioning, conditioning=None"
        )
    return [level for level in levels if level in chosen]
