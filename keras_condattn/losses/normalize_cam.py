"""Class activation maps on one scale."""

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.losses._maps import as_map

TINY = 1e-8


@export
def normalize_cam(cam: Tensor, data_format: DataFormat | None = None) -> Tensor:
    """Takes the positive part of a class activation map to [0, 1].

    ```
    p = ReLU(A),    normalised = ReLU(p - min p - 1e-8) / (max p - min p + 1e-8)
    ```

    with minimum and maximum over the pixels of each sample and class. A map without
    positive evidence, or without variation, becomes 0. Gradients flow through the
    minimum and the maximum too.

    Args:
        cam: (B, *S, K), or (B, K, *S) in channels_first, with one to three spatial
            axes.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.

    Returns:
        The map, shaped like `cam`, in float32.

    Raises:
        ValueError: for a `cam` that is no map, or an unknown data format.

    Example:

    >>> cam = np.array([-1.0, 1.0, 2.0]).reshape((1, 3, 1))
    >>> scaled = keras_condattn.losses.normalize_cam(cam, "channels_last")
    >>> keras.ops.convert_to_numpy(scaled).ravel().round(3).tolist()
    [0.0, 0.5, 1.0]

    Reference:
        Patel and Dolz, "Weakly supervised segmentation with cross-modality
        equivariant constraints", Medical Image Analysis 2022, arXiv 2104.02488, as
        the released code computes it.
    """
    x, axes = as_map("cam", cam, data_format)
    p = ops.relu(x)
    low = ops.min(p, axis=axes, keepdims=True)
    high = ops.max(p, axis=axes, keepdims=True)
    return ops.relu(p - low - TINY) / (high - low + TINY)
