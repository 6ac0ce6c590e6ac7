"""One drawn transformation, for images and maps alike."""

import numbers
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._checks import check_data_format
from keras_condattn.layers._views import STILL, drawn, viewed

KINDS = ("flip", "turn", "shift", "zoom")


@export
class RandomView(keras.layers.Layer):
    """Draws one transformation a sample, and applies it to all that belongs to it.

    ```
    flip    the rows or the columns backwards
    turn    by one, two or three quarters, exactly; of images that are not square by
            two
    shift   down ~ U(-shift, shift) of the height, right likewise, in whole pixels
    zoom    about the centre, by a factor ~ U(1 - zoom, 1 + zoom)
    ```

    One of the kinds, each as likely, is drawn per sample. What a view shows of
    outside the image is 0, and `return_valid=True` says where that is.

    Draws depend on the seed, on how many there were before and on the sample's place
    in the batch, and on nothing else: they are the same on every backend and device
    (whole-number arithmetic, no backend's random numbers). The counter is a weight:
    a saved layer goes on where it was.

    Args:
        kinds: which of `"flip"`, `"turn"`, `"shift"` and `"zoom"` there are. Defaults
            to `("flip", "turn", "shift", "zoom")`.
        shift: largest shift as a fraction of the extent, from 0 to 1. Defaults to
            0.3.
        zoom: largest change of size, from 0 and below 1. Defaults to 0.2.
        return_valid: return `(images, valid)`. Defaults to False.
        seed: a whole number from 0 to 2^31 - 1. Defaults to 0.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: as for every Keras layer.

    Call arguments:
        images: (B, H, W, C), or a dict of such, which share their draws (modalities
            of one patient; an image and its map).
        training: whether to transform at all. Defaults to True, and to False in
            `predict` and `evaluate`.

    Returns:
        What came in, transformed, or `(images, valid)` with `valid` (B, H, W, 1): 1
        where a view shows the image and 0 where it shows the outside.

    Raises:
        ValueError: for an argument out of its range, images that are not (B, H, W, C)
            or that do not share B, H and W.

    Example:

    >>> view = keras_condattn.layers.RandomView(
    ...     ("flip", "turn"), seed=1, data_format="channels_last"
    ... )
    >>> t1, t2 = np.random.default_rng(0).random((2, 3, 8, 8, 1))
    >>> seen = view({"t1": t1, "t2": t2})
    >>> seen["t1"].shape
    (3, 8, 8, 1)

    Reference:
        The transformations of arXiv 2104.02488. Its released code draws one kind for
        the whole batch, turns about a point half a pixel off, resizes the image in
        place of zooming, and has no mask of what is valid.
    """

    def __init__(
        self,
        kinds: Sequence[str] = KINDS,
        shift: float = 0.3,
        zoom: float = 0.2,
        return_valid: bool = False,
        seed: int = 0,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_arguments(kinds, shift, zoom, seed)
        self.kinds, self.shift, self.zoom = tuple(kinds), shift, zoom
        self.return_valid, self.seed = return_valid, seed
        self.data_format = check_data_format(data_format)
        self.draws = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="draws"
        )
        self.built = True

    def build(self, *_: Any) -> None:
        self.built = True

    def call(self, images: Any, training: bool | None = True) -> Any:
        self._check_images(images)
        first = keras.tree.flatten(images)[0]
        if training is not None and not training:
            poses = ops.zeros_like(_flags(first)) + ops.convert_to_tensor(STILL)
        else:
            poses = self.draw(ops.shape(first)[0])
        seen, valid = self.apply(images, poses)
        seen = keras.tree.map_structure(lambda x: ops.cast(x, self.compute_dtype), seen)
        return (
            (seen, ops.cast(valid, self.compute_dtype)) if self.return_valid else seen
        )

    def draw(self, batch: Any) -> Tensor:
        """Draws the poses (batch, 6) of one batch, and counts it.

        Of each sample: rows mirrored (0 or 1), columns mirrored, quarter turns (0 to
        3), shift down and right as fractions, and zoom (1 keeps the size).
        """
        poses = self.poses(self.draws, batch)
        self.draws.assign(self.draws + 1)
        return poses

    def poses(self, draw: Any, batch: Any) -> Tensor:
        """The poses (batch, 6) of draw number `draw`, which counts from 0."""
        return drawn(self.kinds, self.shift, self.zoom, self.seed, draw, batch)

    def apply(self, images: Any, poses: Tensor) -> tuple[Any, Tensor]:
        """Images, or a dict of them, in these poses, and `valid`; both in float32."""
        self._check_images(images)
        parts = keras.tree.flatten(images)
        seen = [self._seen(x, poses) for x in parts]
        return (
            keras.tree.pack_sequence_as(images, [x for x, _ in seen]),
            seen[0][1],
        )

    def _seen(self, x: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
        x = ops.cast(ops.convert_to_tensor(x), "float32")
        if self.data_format == "channels_last":
            return viewed(x, poses)
        image, valid = viewed(ops.moveaxis(x, 1, -1), poses)
        return ops.moveaxis(image, -1, 1), ops.moveaxis(valid, -1, 1)

    def compute_output_spec(self, images: Any, training: bool | None = True) -> Any:
        self._check_images(images)
        spec = keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, self.compute_dtype), images
        )
        if not self.return_valid:
            return spec
        shape = list(keras.tree.flatten(images)[0].shape)
        shape[1 if self.data_format == "channels_first" else -1] = 1
        return spec, keras.KerasTensor(shape, self.compute_dtype)

    def _check_images(self, images: Any) -> None:
        first, sizes = self.data_format == "channels_first", []
        for x in keras.tree.flatten(images):
            if len(x.shape) != 4:
                layout = "(B, C, H, W)" if first else "(B, H, W, C)"
                raise ValueError(
                    f"images must have shape {layout}, got {tuple(x.shape)}"
                )
            sizes.append((x.shape[0], *(x.shape[2:] if first else x.shape[1:3])))
        if len(set(sizes)) != 1:
            raise ValueError(
                "images must share batch, height and width to share a view, got "
                f"{sizes}"
            )

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        names = ("kinds", "shift", "zoom", "return_valid", "seed", "data_format")
        return config | {name: getattr(self, name) for name in names}


def _flags(image: Tensor) -> Tensor:
    """Zeros (B, 1)."""
    flat = ops.reshape(ops.cast(image, "float32"), (ops.shape(image)[0], -1))
    return ops.zeros_like(flat[:, :1])


def _check_arguments(kinds: Any, shift: Any, zoom: Any, seed: Any) -> None:
    listed = list(kinds) if isinstance(kinds, list | tuple) else []
    known = all(isinstance(kind, str) and kind in KINDS for kind in listed)
    if not listed or not known or len(set(listed)) != len(listed):
        raise ValueError(f"kinds must be some of {KINDS}, each once, got {kinds!r}")
    if not _is_number(shift) or not 0 <= shift <= 1:
        raise ValueError(f"shift must be from 0 to 1, got {shift!r}")
    if not _is_number(zoom) or not 0 <= zoom < 1:
        raise ValueError(f"zoom must be from 0 and below 1, got {zoom!r}")
    whole = isinstance(seed, int) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**31:
        raise ValueError(
            f"seed must be a whole number from 0 to 2^31 - 1, got {seed!r}"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
