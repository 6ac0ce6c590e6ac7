"""The orthogonality of several ACMs as one term of the loss."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import Shape, Tensor


@export
class SummedOrthogonality(keras.layers.Layer):
    """Adds one orthogonality loss for all modules of a network, as released with ACM.

    ```
    loss += orthogonality_weight * |mean over the batch of sum over modules of s_m|
    ```

    where s_m is what `ACM(orthogonality="output")` returns last. In the sum, modules
    of opposite sign cancel: K and Q may be far from orthogonal in each of them while
    the loss is 0. `ACM`'s own default takes the absolute value module by module.

    Args:
        orthogonality_weight: weight of the term. Defaults to 0.1.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: any tensor of the network, through which the layer is part of it.
        terms: a list of tensors (B,), one a module.

    Returns:
        The features, unchanged.

    Raises:
        ValueError: for a negative weight, or without terms.

    Example:

    >>> image = keras.Input((8, 8, 16))
    >>> x, terms = image, []
    >>> for _ in range(2):
    ...     acm = keras_condattn.layers.ACM(
    ...         4, orthogonality="output", data_format="channels_last"
    ...     )
    ...     x, term = acm(x)
    ...     terms.append(term)
    >>> x = keras_condattn.layers.SummedOrthogonality()(x, terms)
    >>> model = keras.Model(image, x)
    >>> _ = model(np.ones((2, 8, 8, 16)))
    >>> len(model.losses)
    1

    Reference:
        The training loop released with Kim et al., "Learning Visual Context by
        Comparison", ECCV 2020, arXiv 2007.07506.
    """

    def __init__(self, orthogonality_weight: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not orthogonality_weight >= 0:
            raise ValueError(
                "SummedOrthogonality: orthogonality_weight must not be negative, got "
                f"{orthogonality_weight!r}"
            )
        self.orthogonality_weight = float(orthogonality_weight)
        self.built = True

    def call(self, features: Tensor, terms: Sequence[Tensor]) -> Tensor:
        if not len(terms):
            raise ValueError(
                "SummedOrthogonality: terms must hold a tensor (B,) for each module, "
                "got none"
            )
        total = ops.mean(sum(ops.cast(term, "float32") for term in terms))
        self.add_loss(self.orthogonality_weight * ops.abs(total))
        return features

    def compute_output_shape(self, features_shape: Shape, terms_shape: Any) -> Shape:
        return tuple(features_shape)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"orthogonality_weight": self.orthogonality_weight}
