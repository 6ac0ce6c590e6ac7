"""The one constraint that a network with pooling puts on an image's size."""

from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor


def check_divisible(argument: str, spatial: tuple[int | None, ...], by: int) -> None:
    """Raises ValueError, naming the size to pad to, where a size does not divide.

    Sizes that are no numbers (JAX exports with symbols) are not known here.
    """
    if all(size % by == 0 for size in spatial if isinstance(size, int)):
        return
    fitting = tuple(
        -(-size // by) * by if isinstance(size, int) else size for size in spatial
    )
    raise ValueError(
        f"{argument}: each spatial size must be a multiple of {by} (the network "
        f"halves the image {by.bit_length() - 1} times), got {spatial}; pad or resize "
        f"to {fitting}, or build a shallower network"
    )


@export
class DivisibleSize(keras.layers.Layer):
    """Hands its input on, once its size is seen to divide by `multiple`.

    Stands first in networks built for images of any size, where only the call
    knows the size. To export such a network from JAX, say that sizes divide:
    `jax2tf_kwargs={"native_serialization": True, "polymorphic_shapes": ["(batch, 8*a,
    8*b, 1)"]}`.

    Args:
        multiple: what each spatial size must be a multiple of, a power of two.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        image: (B, *S, C) or (B, C, *S).

    Returns:
        `image` itself.

    Raises:
        ValueError: for a size that does not divide, with the size to pad to.

    Example:

    >>> layer = keras_condattn.models.DivisibleSize(4, data_format="channels_last")
    >>> layer(np.ones((1, 8, 12, 3))).shape
    (1, 8, 12, 3)
    """

    def __init__(
        self, multiple: int, data_format: DataFormat | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, image: Tensor) -> Tensor:
        self.check(tuple(image.shape))
        return image

    def compute_output_shape(self, image_shape: tuple[int | None, ...]) -> Any:
        self.check(tuple(image_shape))
        return image_shape

    def check(self, shape: tuple[int | None, ...]) -> None:
        """Raises ValueError where an image of this shape does not fit."""
        first = self.data_format == "channels_first"
        check_divisible("image", shape[2:] if first else shape[1:-1], self.multiple)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"multiple": self.multiple, "data_format": self.data_format}
