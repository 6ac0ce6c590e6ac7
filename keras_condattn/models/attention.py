"""Which comparing attention goes where in a classifier."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from keras_condattn import layers

Attention: TypeAlias = str | keras.layers.Layer | Callable[[], Any] | None
AttentionFactory: TypeAlias = Callable[[str], keras.layers.Layer]

ATTENTION: dict[str, type[keras.layers.Layer]] = {
    "acm": layers.ACM,
    "se": layers.SqueezeExcitation,
    "nl": layers.NonLocal,
    "cc": layers.CrissCrossAttention,
    "gc": layers.GlobalContext,
    "cbam": layers.CBAM,
    "srm": layers.SRM,
}


def attention_factory(
    attention: Attention,
    options: dict[str, Any] | None,
    return_attention: bool,
    data_format: str,
) -> AttentionFactory | None:
    """What makes the attention layer of each place, given a name for it.

    Args:
        attention: a key of `ATTENTION`, None, a layer (each place gets a fresh one of
            its configuration), or a callable without arguments that makes one.
        options: arguments of the layer, for an `attention` given by name.
        return_attention: ask a layer given by name for its maps.
        data_format: the network's.

    Returns:
        name -> layer, or None for no attention.

    Raises:
        ValueError: for an unknown name, options without one, or maps of a layer that
            has none.
    """
    if return_attention and attention in ("se", "nl", "cc", "gc", "cbam", "srm", None):
        raise ValueError(
            f"return_attention=True: attention={attention!r} gives no maps ('acm' "
            "does; a layer of your own must return (features, attention))"
        )
    if not isinstance(attention, str):
        if options:
            raise ValueError(
                "attention_options are for an attention given by name, got them with "
                f"{attention!r}; give them to the layer itself"
            )
        return None if attention is None else _own(attention, data_format)
    if attention not in ATTENTION:
        raise ValueError(_unknown(attention))
    layer, given = ATTENTION[attention], {"data_format": data_format, **(options or {})}
    if return_attention:
        given["return_attention"] = True
    return lambda name: _fitting(layer(**given, name=name), data_format)


def _unknown(attention: Any) -> str:
    return (
        f"attention must be one of {sorted(ATTENTION)}, None, a layer or a callable "
        f"without arguments that makes one, got {attention!r}"
    )


def _own(attention: Any, data_format: str) -> AttentionFactory:
    if isinstance(attention, keras.layers.Layer):
        cls, config = type(attention), attention.get_config()
        return lambda name: _fitting(
            cls.from_config({**config, "name": name}), data_format
        )
    if not callable(attention):
        raise ValueError(_unknown(attention))

    def made(name: str) -> keras.layers.Layer:
        layer = attention()
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(
                f"attention: {attention!r} must return a keras layer, got {layer!r}"
            )
        return _fitting(layer, data_format)

    return made


def _fitting(layer: keras.layers.Layer, data_format: str) -> keras.layers.Layer:
    if getattr(layer, "data_format", data_format) != data_format:
        raise ValueError(
            f"attention: {layer.name} is {layer.data_format}, the network is "
            f"{data_format}"
        )
    return layer


def chosen_places(attention_at: str | Sequence[str], places: list[str]) -> set[str]:
    """The places of a network that `attention_at` names.

    Args:
        attention_at: `"all"`, `"last"` (the last place of each stage), or names of
            stages (`"layer3"`) and of places (`"layer3_0"`).
        places: what the network has, `<stage>` or `<stage>_<number>`, in order.

    Returns:
        The chosen names.

    Raises:
        ValueError: for a name the network does not have, or no name at all.
    """
    wanted = [attention_at] if isinstance(attention_at, str) else list(attention_at)
    last = set({place.split("_")[0]: place for place in places}.values())
    chosen: set[str] = set()
    for name in wanted:
        if name == "last":
            matches = last
        else:
            matches = {p for p in places if name in (p, "all", p.split("_")[0])}
        if not matches:
            raise ValueError(
                "attention_at must be 'all', 'last' or names of stages or places of "
                f"this network, {places}, got {name!r}"
            )
        chosen |= matches
    if not chosen:
        raise ValueError(
            f"attention_at must name at least one of {places}, got {attention_at!r}; "
            "for no attention, attention=None"
        )
    return chosen
