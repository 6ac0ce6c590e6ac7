"""What a few scribbles teach: three losses under one name."""

import math
from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.losses._batch_loss import BatchLoss
from keras_condattn.losses._checks import (
    as_channels_last,
    beyond,
    check_grids,
    check_ignored,
    check_window,
    format_of,
    probabilities_of,
)
from keras_condattn.losses._known import mean_similarity, single_class
from keras_condattn.losses.attentive_similarity import attentive_similarity
from keras_condattn.losses.gated_crf import gated_crf


@export
class ScribbleLoss(BatchLoss):
    """Partial cross-entropy, gated CRF and attentive similarity, weighted.

    ```
    L = PCE + crf_weight CRF + similarity_weight S + floor_weight F
    PCE = mean of -log p_i(s_i) over the scribbled pixels i, 0 where there are none
    CRF = gated_crf(p, image, s == ignore_class)
    S   = attentive_similarity(p, K, single_class)
    F   = max(1 - mean K / similarity_floor, 0)^2
    ```

    CRF and S sum over a window and take the mean over pixels, so they grow with the
    number of neighbours: at radius 5 CRF may be several times PCE while nothing is
    learned, and half the radius asks for about four times the weight.

    A sample counts as `single_class`, so that its K plays no part in S, where its
    scribble names one class or none: what is known of it says nothing of which
    pixels differ. No dense label is looked at.

    Nothing in S rewards a large K, and K = 0 minimises it whatever p is. F is the
    remedy: with `similarity_floor` above 0 the mean of K cannot sink far below that
    floor, and S can only choose between which neighbours K is large.

    Args:
        ignore_class: the scribble's number for unlabelled pixels; None where every
            pixel has a class, which is full supervision. Defaults to None.
        crf_weight: of the gated CRF; 0 leaves it out. Defaults to 0.1.
        similarity_weight: of the attentive similarity; 0 leaves it out, and no K is
            needed then. Defaults to 0.1.
        similarity_floor: of the mean of K, in [0, 1); 0 leaves F out. Defaults to
            0.0.
        floor_weight: of F. Defaults to 1.0.
        radius: of the CRF's window, in pixels of the image. Defaults to 5.
        similarity_radius: of the window of K, in pixels of its grid, as the network
            was built. Defaults to 5.
        sigma_xy: of both windows, in pixels. Defaults to 6.0.
        sigma_image: of the CRF, in the image's units. Defaults to 0.1.
        from_logits: whether predictions are logits. Defaults to True.
        data_format: of the image and the predictions. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: of the loss. Defaults to "scribble_loss".

    Call arguments:
        y_true: a dict of `"scribble"` (B, H, W), whole numbers; `"image"`
            (B, H, W, M) for the CRF; `"similarity"` for K, as
            `layers.AttentiveSimilarity` emits it.
        y_pred: (B, H, W, C).

    Returns:
        A scalar, float32. `terms` has the summands by name.

    Raises:
        ValueError: for an argument out of its range, an entry that `y_true` lacks,
            shapes that do not fit each other, sample weights, or a scribble with
            other numbers than the classes and `ignore_class` (in a compiled step,
            where no number can be looked at, the loss is NaN).

    Example:

    >>> loss = keras_condattn.losses.ScribbleLoss(
    ...     ignore_class=2, similarity_weight=0.0, data_format="channels_last"
    ... )
    >>> true = {"image": np.zeros((1, 8, 8, 1)), "scribble": np.full((1, 8, 8), 2)}
    >>> true["scribble"][0, 3, 2:6] = 1
    >>> sorted(loss.terms(true, np.zeros((1, 8, 8, 2))))
    ['gated_crf', 'partial_cross_entropy']

    Reference:
        AttenScribble, arXiv 2312.06614, with its weights. The released code finds
        the samples of one class in the dense labels; here the scribble says it. The
        floor is ours.
    """

    def __init__(
        self,
        ignore_class: int | None = None,
        crf_weight: float = 0.1,
        similarity_weight: float = 0.1,
        similarity_floor: float = 0.0,
        floor_weight: float = 1.0,
        radius: int = 5,
        similarity_radius: int = 5,
        sigma_xy: float = 6.0,
        sigma_image: float = 0.1,
        from_logits: bool = True,
        data_format: DataFormat | None = None,
        name: str = "scribble_loss",
    ) -> None:
        super().__init__(name=name)
        check_window(radius, sigma_xy=sigma_xy, sigma_image=sigma_image)
        check_window(similarity_radius)
        check_ignored(ignore_class)
        _check_weights(
            crf_weight=crf_weight, similarity_weight=similarity_weight,
            similarity_floor=similarity_floor, floor_weight=floor_weight,
        )  # fmt: skip
        if similarity_floor >= 1:
            raise ValueError(
                f"similarity_floor must be below 1, as K is, got {similarity_floor!r}"
            )
        self.ignore_class, self.from_logits = ignore_class, from_logits
        self.crf_weight, self.similarity_weight = crf_weight, similarity_weight
        self.similarity_floor, self.floor_weight = similarity_floor, floor_weight
        self.radius, self.similarity_radius = radius, similarity_radius
        self.sigma_xy, self.sigma_image = sigma_xy, sigma_image
        self.data_format = format_of(data_format)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term that takes part, by name."""
        found = {
            "partial_cross_entropy": 1.0,
            "gated_crf": self.crf_weight,
            "attentive_similarity": self.similarity_weight,
            "similarity_floor": self.floor_weight * (self.similarity_floor > 0),
        }
        return {name: float(weight) for name, weight in found.items() if weight}

    def terms(self, y_true: Any, y_pred: Tensor) -> dict[str, Tensor]:
        """Each term that takes part, by name and before its weight.

        Args:
            y_true: as for a call.
            y_pred: as for a call.

        Returns:
            name -> scalar, with the names of `weights`.
        """
        self._check_entries(y_true)
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        scores = as_channels_last("predictions", y_pred, self.data_format)
        scribble = ops.cast(ops.convert_to_tensor(y_true["scribble"]), "int32")
        check_grids(scores, scribble=scribble)
        make = {
            "partial_cross_entropy": lambda: self._cross_entropy(scribble, scores),
            "gated_crf": lambda: self._crf(scribble, y_true["image"], y_pred),
            "attentive_similarity": lambda: self._similarity(
                scribble, y_true["similarity"], y_pred, scores.shape[-1]
            ),
            "similarity_floor": lambda: self._floor(y_true["similarity"]),
        }
        return {name: make[name]() for name in self.weights}

    def call(self, y_true: Any, y_pred: Tensor) -> Tensor:
        terms = self.terms(y_true, y_pred)
        total: Tensor = sum(self.weights[name] * term for name, term in terms.items())
        return total

    def _cross_entropy(self, scribble: Tensor, scores: Tensor) -> Tensor:
        # Channels last: on TensorFlow and JAX Keras 3.15 knows no other axis here.
        wrong = beyond("scribble", scribble, scores.shape[-1], self.ignore_class)
        loss = keras.losses.SparseCategoricalCrossentropy(
            from_logits=self.from_logits, ignore_class=self.ignore_class,
            dtype="float32",
        )  # fmt: skip
        return loss(scribble, scores) + wrong

    def _crf(self, scribble: Tensor, image: Tensor, y_pred: Tensor) -> Tensor:
        unlabelled = None
        if self.ignore_class is not None:
            unlabelled = ops.equal(scribble, self.ignore_class)
        return gated_crf(
            probabilities_of(y_pred, self.from_logits, self.data_format), image,
            unlabelled, radius=self.radius, sigma_xy=self.sigma_xy,
            sigma_image=self.sigma_image, data_format=self.data_format,
        )  # fmt: skip

    def _similarity(
        self, scribble: Tensor, similarity: Tensor, y_pred: Tensor, classes: int
    ) -> Tensor:
        return attentive_similarity(
            probabilities_of(y_pred, self.from_logits, self.data_format), similarity,
            radius=self.similarity_radius, sigma_xy=self.sigma_xy,
            single_class=single_class(scribble, classes, self.ignore_class),
            data_format=self.data_format,
        )  # fmt: skip

    def _floor(self, similarity: Tensor) -> Tensor:
        mean = mean_similarity(similarity, self.similarity_radius)
        return ops.square(ops.maximum(1.0 - mean / self.similarity_floor, 0.0))

    def _check_entries(self, y_true: Any) -> None:
        wanted = {"scribble"}
        if "gated_crf" in self.weights:
            wanted |= {"image"}
        if {"attentive_similarity", "similarity_floor"} & set(self.weights):
            wanted |= {"similarity"}
        if not isinstance(y_true, dict) or not wanted <= set(y_true):
            got = sorted(y_true) if isinstance(y_true, dict) else type(y_true)
            raise ValueError(f"y_true must be a dict of {sorted(wanted)}, got {got}")

    def get_config(self) -> dict[str, Any]:
        names = (
            "ignore_class", "crf_weight", "similarity_weight", "similarity_floor",
            "floor_weight", "radius", "similarity_radius", "sigma_xy", "sigma_image",
            "from_logits", "data_format", "name",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def _check_weights(**weights: Any) -> None:
    for name, weight in weights.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 <= weight < math.inf:
            raise ValueError(f"{name} must be a number from 0, got {weight!r}")
