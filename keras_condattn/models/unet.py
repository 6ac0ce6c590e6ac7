"""One U-Net for every kind of conditioning, or none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape, Tensor
from keras_condattn.layers._checks import check_data_format
from keras_condattn.models.blocks import Blocks, Normalization
from keras_condattn.models.conditioned_model import ConditionedModel
from keras_condattn.models.conditioning import (
    Conditioning,
    chosen_levels,
    conditioning_factory,
)
from keras_condattn.models.divisible import DivisibleSize, check_divisible


@export
def unet(
    input_shape: Shape,
    classes: int,
    *,
    conditioning: Conditioning = None,
    conditioning_size: int | None = None,
    condition_at: str | Sequence[str] = ("bottleneck",),
    conditioning_options: dict[str, Any] | None = None,
    return_attention: bool = False,
    filters: int | Sequence[int] = 32,
    depth: int | None = None,
    convolutions: int = 2,
    normalization: Normalization = "batch",
    activation: Any = "relu",
    dropout: float = 0.0,
    skips: bool = True,
    upsampling: str = "transpose",
    refine_bottleneck: bool = False,
    classifier_activation: Any = None,
    data_format: DataFormat | None = None,
    name: str = "unet",
) -> keras.Model:
    """A U-Net with a conditioning layer after the blocks of the levels you choose.

    Level by level: a block of 3-wide convolutions, the conditioning layer where
    wanted, then pooling (down) or upsampling, concatenation with the encoder's
    features and a block (up). Levels are named by their side and stride:
    `encoder_s1`, `encoder_s2`, ..., `bottleneck`, ..., `decoder_s2`, `decoder_s1`.
    What an encoder level passes to its skip is what came out of its conditioning.

    Args:
        input_shape: (*S, C), or (C, *S) in channels_first, with one to three
            spatial axes; a size may be None (any size) unless a layer needs it.
        classes: channels of the output.
        conditioning: `"inside"`, `"film"`, `"guiding"`, None, a layer, or a callable
            without arguments that makes one. Defaults to None.
        conditioning_size: length of the conditioning vector; required with a
            conditioning. Defaults to None.
        condition_at: level names, or `"encoder"`, `"decoder"`, `"all"`. Defaults to
            `("bottleneck",)`.
        conditioning_options: arguments for a layer given by name, e.g.
            `{"relative_sigma": True, "max_sigma": 0.5}`. Defaults to None.
        return_attention: output a dict `{"mask": logits, "attention_<level>": map}`
            in place of the logits. The weights are the same. Defaults to False.
        filters: channels of the first level, doubled at each next one, or the
            channels of every level, bottleneck included. Defaults to 32.
        depth: how many times the image is halved. None means 4, or one less than
            there are `filters`. Defaults to None.
        convolutions: convolutions of a block. Defaults to 2.
        normalization: `"batch"`, `"group"`, `"instance"`, `"layer"`, None, or a
            callable that makes a layer. Defaults to `"batch"`.
        activation: after each convolution. Defaults to `"relu"`.
        dropout: rate at the end of each block. Defaults to 0.0.
        skips: concatenate the encoder's features in the decoder. Defaults to True.
        upsampling: `"transpose"` or `"nearest"`. Defaults to `"transpose"`.
        refine_bottleneck: one more block between the bottleneck's conditioning and
            the first upsampling. Defaults to False.
        classifier_activation: None for logits, or e.g. `"softmax"`. Defaults to
            None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"unet"`.

    Returns:
        A functional model. With a conditioning it takes
        `{"image": (B, *S, C), "conditioning": (B, Z)}`, else the image alone, and
        gives logits (B, *S, classes) in float32.

    Raises:
        ValueError: for sizes that 2^depth does not divide (with the size to pad
            to), an unknown conditioning or level, or arguments that do not go
            together.

    Example:

    >>> model = keras_condattn.models.unet(
    ...     (32, 32, 1), 3, conditioning="film", conditioning_size=2, filters=4,
    ...     condition_at=("bottleneck", "decoder_s2"), data_format="channels_last",
    ... )
    >>> model.output_shape
    (None, 32, 32, 3)

    Reference:
        Ronneberger et al., "U-Net", MICCAI 2015, arXiv 1505.04597, with same
        padding. Conditioning a U-Net after its blocks: Jacenków et al., MICCAI
        2020, arXiv 2008.10418.
    """
    data_format = check_data_format(data_format)  # type: ignore[assignment]
    widths = _widths(filters, depth)
    spatial = _spatial(input_shape, data_format, len(widths) - 1)
    blocks = Blocks(
        rank=len(spatial),
        data_format=str(data_format),
        convolutions=convolutions,
        normalization=normalization,
        activation=activation,
        dropout=dropout,
        upsampling=upsampling,
    )
    levels = level_names(len(widths) - 1)
    chosen = chosen_levels(condition_at, levels)
    vector = _vector(conditioning, conditioning_size)
    options = _options(conditioning, conditioning_options, return_attention, blocks)
    make = conditioning_factory(conditioning, len(chosen), **options)
    condition = _Condition(make, vector, chosen, blocks.data_format)
    image = keras.Input(tuple(input_shape), name="image")
    x = image
    if None in spatial and len(widths) > 1:
        x = DivisibleSize(2 ** (len(widths) - 1), data_format, name="size")(x)
    x = _decode(blocks, *_encode(blocks, x, widths, condition), widths, condition,
                skips, refine_bottleneck)  # fmt: skip
    x = blocks.conv(x, _positive("classes", classes), 1, name="logits")
    # Softmax and losses want float32, whatever the network computes in.
    head = keras.layers.Activation(
        classifier_activation or "linear", dtype="float32", name="mask"
    )
    return _model(image, vector, head(x), condition, return_attention, name)


def level_names(depth: int) -> list[str]:
    """Names of a network's levels: side and stride with respect to the input."""
    strides = [2**i for i in range(depth)]
    return [
        *(f"encoder_s{s}" for s in strides),
        "bottleneck",
        *(f"decoder_s{s}" for s in reversed(strides)),
    ]


@dataclass
class _Condition:
    """Puts a conditioning layer after a level and keeps the maps it gives."""

    make: Callable[[], keras.layers.Layer] | None
    vector: Tensor
    chosen: list[str]
    data_format: str
    attention: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, x: Tensor, level: str) -> Tensor:
        if self.make is None or level not in self.chosen:
            return x
        layer = self.make()
        if getattr(layer, "data_format", self.data_format) != self.data_format:
            raise ValueError(
                f"conditioning: {layer.name} is {layer.data_format}, the network is "
                f"{self.data_format}"
            )
        output = layer(x, self.vector)
        if isinstance(output, (tuple, list)):
            output, self.attention[f"attention_{level}"] = output
        return output


def _encode(
    blocks: Blocks, x: Tensor, widths: list[int], condition: _Condition
) -> tuple[Tensor, list[Tensor]]:
    skips = []
    for i, width in enumerate(widths[:-1]):
        level = f"encoder_s{2**i}"
        x = condition(blocks.block(x, width, level), level)
        skips.append(x)
        x = blocks.down(x, f"{level}_down")
    return condition(blocks.block(x, widths[-1], "bottleneck"), "bottleneck"), skips


def _decode(
    blocks: Blocks,
    x: Tensor,
    encoded: list[Tensor],
    widths: list[int],
    condition: _Condition,
    skips: bool,
    refine: bool,
) -> Tensor:
    if refine:
        x = blocks.block(x, widths[-1], "bottleneck_refined")
    for i in reversed(range(len(encoded))):
        level = f"decoder_s{2**i}"
        x = blocks.up(x, widths[i], f"{level}_up")
        if skips:
            join = keras.layers.Concatenate(blocks.channel_axis, name=f"{level}_skip")
            x = join([encoded[i], x])
        x = condition(blocks.block(x, widths[i], level), level)
    return x


def _model(
    image: Tensor,
    vector: Tensor,
    mask: Tensor,
    condition: _Condition,
    return_attention: bool,
    name: str,
) -> keras.Model:
    outputs = {"mask": mask, **condition.attention} if return_attention else mask
    if return_attention and not condition.attention:
        raise ValueError(
            "return_attention=True: the conditioning layer gives no attention map "
            "('inside' and 'guiding' do; a layer of your own must return "
            "(features, attention))"
        )
    if vector is None:
        return keras.Model(image, outputs, name=name)
    inputs = {"image": image, "conditioning": vector}
    return ConditionedModel(inputs, outputs, name=name)


def _widths(filters: int | Sequence[int], depth: int | None) -> list[int]:
    if isinstance(filters, int):
        levels = 4 if depth is None else depth
        if not isinstance(levels, int) or levels < 0:
            raise ValueError(f"depth must be a non-negative integer, got {depth!r}")
        return [_positive("filters", filters) * 2**i for i in range(levels + 1)]
    widths = [_positive("filters", f) for f in filters]
    if not widths or depth not in (None, len(widths) - 1):
        raise ValueError(
            f"filters must have one entry a level, depth + 1 of them, got {filters!r} "
            f"with depth={depth}"
        )
    return widths


def _spatial(
    shape: Shape, data_format: str | None, depth: int
) -> tuple[int | None, ...]:
    first = data_format == "channels_first"
    if not isinstance(shape, (tuple, list)) or not 2 <= len(shape) <= 4:
        raise ValueError(
            f"input_shape must be {'(C, *S)' if first else '(*S, C)'} with one to "
            f"three spatial axes, got {shape!r}"
        )
    if shape[0 if first else -1] is None:
        raise ValueError(f"input_shape must give the channels, got {shape!r}")
    spatial = tuple(shape[1:] if first else shape[:-1])
    check_divisible("input_shape", spatial, 2**depth)
    return spatial


def _vector(conditioning: Conditioning, size: int | None) -> Tensor:
    if conditioning is None:
        return None
    if size is None:
        raise ValueError(
            "conditioning_size must give the length of the conditioning vector when "
            f"there is a conditioning ({conditioning!r}), got None"
        )
    size = _positive("conditioning_size", size)
    return keras.Input((size,), name="conditioning")


def _options(
    conditioning: Conditioning,
    options: dict[str, Any] | None,
    return_attention: bool,
    blocks: Blocks,
) -> dict[str, Any]:
    if not isinstance(conditioning, str):
        if options:
            raise ValueError(
                "conditioning_options are for a conditioning given by name, got them "
                f"with {conditioning!r}; give them to the layer itself"
            )
        return {}
    made = {"data_format": blocks.data_format, **(options or {})}
    if return_attention and conditioning != "film":
        made["return_attention"] = True
    return made


def _positive(argument: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{argument} must be a positive integer, got {value!r}")
    return value
