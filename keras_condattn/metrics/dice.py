"""The Dice score of segmentations, per image or pooled, hard or soft."""

import math
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.metrics._checks import (
    check_dice_arguments,
    check_labels,
    check_segmentation,
    image_weight,
)

Average = Literal["image", "pooled"]
Empty = float | Literal["skip"]


@export
class DiceScore(keras.metrics.Metric):
    """Dice of each class: how much of prediction and truth is common to both.

    ```
    D = 2 sum(p t) / (sum(p) + sum(t) + epsilon)           # sums over pixels
    t = 1 where the truth is the class, else 0
    p = 1 where the prediction is the class, else 0        # hard
    p = its probability                                    # soft: threshold=None
    average="image":  mean over images of D, then mean over classes
    average="pooled": D of the sums over all images, then mean over classes
    ```

    One channel (`classes=1`): the class is the foreground, where the truth exceeds
    1/2, so masks of 0 and 255 serve too; hard is probability > `threshold`. More
    channels: the truth holds class numbers, and hard is the largest channel, whatever
    the value of `threshold`.

    An image with no pixel of a class, in truth or prediction, has no Dice there: 0/0.
    `empty="skip"` leaves it out of the mean, which then speaks of images where there
    was something to find or something found; 1.0 counts it as found right, as much of
    the literature does, and lifts the mean of rare classes; 0.0 counts it as wrong. A
    class predicted where there is none, or missed where there is one, is no such case
    and scores 0 always. Nor is a soft prediction, hardly ever exactly 0: there an
    empty truth scores about 0.

    Args:
        classes: channels of the prediction; 1 for a foreground. Defaults to 1.
        threshold: probability above which a pixel is foreground, inside (0, 1).
            None means soft Dice. Defaults to 0.5.
        from_logits: whether predictions are logits, as this package's models emit
            them, or probabilities. Defaults to True.
        average: `"image"` or `"pooled"`, as above. Defaults to "image".
        empty: `"skip"`, or the score in [0, 1] of a class absent from both the truth
            and the prediction of an image (pooled: of all images). Defaults to "skip".
        include_background: count class 0 as a class; only with `classes` > 1.
            Defaults to False.
        ignore_class: a value of the truth whose pixels count nowhere. None means
            no such value. Defaults to None.
        per_class: make the result a dict: the mean under `name`, and each class
            under `name_number`. Defaults to False.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        epsilon: in the denominator. Defaults to 1e-7.
        name: of the metric. Defaults to "dice".
        dtype: kept for Keras; sums are float32 whatever it is. Defaults to None.

    Call arguments:
        y_true: (B, *S), or with a channel axis of size 1.
        y_pred: (B, *S, classes), or (B, classes, *S) in channels_first.
        sample_weight: (B,), a weight for each image. Defaults to None.

    Returns:
        A scalar, or with `per_class` a dict of scalars. NaN where nothing counted: a
        class that never occurred, or no data at all.

    Raises:
        ValueError: for shapes that do not fit each other or `classes`, or an argument
            out of its range. A label that is no class, and not `ignore_class`, is not
            seen here: its pixels count as truth of no class.

    Example:

    >>> dice = keras_condattn.metrics.DiceScore(data_format="channels_last")
    >>> logits = np.array([[[9.0], [9.0], [-9.0], [-9.0]]])
    >>> float(dice(np.array([[1, 0, 0, 0]]), logits))  # 2 * 1 / (2 + 1)
    0.6666666865348816

    Reference:
        Dice, "Measures of the amount of ecologic association between species",
        Ecology 26, 1945. `threshold=None` is the measure in the code released with
        INSIDE (arXiv 2008.10418): soft, per image, 1e-7 in the denominator. Published
        Dice is mostly hard: report that, and soft beside it to compare with theirs.
    """

    def __init__(
        self,
        classes: int = 1,
        *,
        threshold: float | None = 0.5,
        from_logits: bool = True,
        average: Average = "image",
        empty: Empty = "skip",
        include_background: bool = False,
        ignore_class: int | None = None,
        per_class: bool = False,
        data_format: DataFormat | None = None,
        epsilon: float = 1e-7,
        name: str = "dice",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.classes, self.threshold, self.from_logits = classes, threshold, from_logits
        self.average, self.empty, self.epsilon = average, empty, epsilon
        self.include_background, self.ignore_class = include_background, ignore_class
        self.per_class = per_class
        self.data_format = data_format or keras.config.image_data_format()
        check_dice_arguments(vars(self))
        self.labels = range(int(not include_background), max(classes, 2))
        shape = (len(self.labels),)
        self.numerator = self.add_variable(shape, "zeros", "float32", name="numerator")
        self.denominator = self.add_variable(
            shape, "zeros", "float32", name="denominator"
        )

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Adds the images of a batch."""
        truth, scores = self._flat(y_true, y_pred)
        overlap, total = self._sums(truth, scores)
        if self.average == "image":
            overlap, total = self._image_scores(overlap, total)
        if sample_weight is not None:
            weight = image_weight(sample_weight)
            overlap, total = overlap * weight, total * weight
        self.numerator.assign_add(ops.sum(overlap, axis=0))
        self.denominator.assign_add(ops.sum(total, axis=0))

    def result(self) -> Any:
        """The mean over classes, and with `per_class` a dict with each class."""
        number, extent = self.numerator.value, self.denominator.value
        counted = extent > 0
        epsilon = self.epsilon if self.average == "pooled" else 0.0
        absent = float("nan") if self.empty == "skip" else float(self.empty)
        if self.average == "image":
            absent = float("nan")  # the empty rule has been applied image by image
        score = ops.where(
            counted, number / (ops.where(counted, extent, 1.0) + epsilon), absent
        )
        known = ops.cast(ops.logical_not(ops.isnan(score)), "float32")
        mean = ops.sum(ops.where(known > 0, score, 0.0)) / ops.sum(known)
        if not self.per_class:
            return mean
        each = {f"{self.name}_{c}": score[i] for i, c in enumerate(self.labels)}
        return {self.name: mean} | each

    def _flat(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """Truth (B, N) and prediction (B, N, classes), both float32."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        shapes = tuple(y_true.shape), tuple(y_pred.shape)
        check_segmentation(*shapes, self.classes, self.data_format)
        y_pred = ops.cast(ops.stop_gradient(y_pred), "float32")
        if self.data_format == "channels_first":
            y_pred = ops.moveaxis(y_pred, 1, -1)
        truth = ops.reshape(ops.cast(y_true, "float32"), (ops.shape(y_true)[0], -1))
        return truth, ops.reshape(y_pred, (ops.shape(y_pred)[0], -1, self.classes))

    def _sums(self, truth: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """2 sum(p t) and sum(p) + sum(t), each (B, labels)."""
        labels = ops.convert_to_tensor(list(self.labels), "float32")
        truth = ops.expand_dims(truth, -1)
        of_class = truth > 0.5 if self.classes == 1 else ops.equal(truth, labels)
        t, p = ops.cast(of_class, "float32"), self._predicted(scores, labels)
        if self.ignore_class is not None:
            valid = ops.cast(ops.not_equal(truth, float(self.ignore_class)), "float32")
            t, p = t * valid, p * valid
        return 2 * ops.sum(t * p, axis=1), ops.sum(t, axis=1) + ops.sum(p, axis=1)

    def _predicted(self, scores: Tensor, labels: Tensor) -> Tensor:
        """p of the formula, (B, N, labels)."""
        if self.classes == 1:
            if self.threshold is None:
                return ops.sigmoid(scores) if self.from_logits else scores
            odds = self.threshold / (1 - self.threshold)
            limit = math.log(odds) if self.from_logits else self.threshold
            return ops.cast(scores > limit, "float32")
        if self.threshold is None:
            p = ops.softmax(scores, axis=-1) if self.from_logits else scores
            return p[..., self.labels.start :]
        largest = ops.cast(ops.argmax(scores, axis=-1), "float32")
        return ops.cast(ops.equal(ops.expand_dims(largest, -1), labels), "float32")

    def _image_scores(self, overlap: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Dice of each image, and whether it counts (1 or 0)."""
        absent = ops.equal(total, 0.0)
        dice = overlap / (total + self.epsilon)
        if self.empty == "skip":
            return dice, ops.cast(ops.logical_not(absent), "float32")
        return ops.where(absent, float(self.empty), dice), ops.ones_like(total)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this metric again."""
        config: dict[str, Any] = super().get_config()
        names = (
            "classes", "threshold", "from_logits", "average", "empty",
            "include_background", "ignore_class", "per_class", "data_format", "epsilon",
        )  # fmt: skip
        return config | {name: getattr(self, name) for name in names}


@export
def dice_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    classes: int = 1,
    threshold: float | None = 0.5,
    from_logits: bool = True,
    average: Average = "image",
    empty: Empty = "skip",
    include_background: bool = False,
    ignore_class: int | None = None,
    per_class: bool = False,
    data_format: DataFormat | None = None,
    epsilon: float = 1e-7,
) -> float | dict[str, float]:
    """The Dice score of arrays at hand: `DiceScore` over one batch.

    ```
    D = 2 sum(p t) / (sum(p) + sum(t) + epsilon)           # as in DiceScore
    ```

    Args:
        y_true: (B, *S), class numbers, or with a channel axis of size 1.
        y_pred: (B, *S, classes), or (B, classes, *S) in channels_first; or with
            `classes` > 1 whole numbers (B, *S), the class of each pixel.
        classes: channels of the prediction; 1 for a foreground. Defaults to 1.
        threshold: probability above which a pixel is foreground, inside (0, 1).
            None means soft Dice. Defaults to 0.5.
        from_logits: whether predictions are logits or probabilities. Defaults to
            True.
        average: `"image"` or `"pooled"`. Defaults to "image".
        empty: `"skip"`, or the score in [0, 1] of a class absent from both truth and
            prediction. Defaults to "skip".
        include_background: count class 0 as a class. Defaults to False.
        ignore_class: a value of the truth whose pixels count nowhere. Defaults to
            None.
        per_class: return a dict, the mean under "dice", class c under "dice_c".
            Defaults to False.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        epsilon: in the denominator. Defaults to 1e-7.

    Returns:
        A number, or with `per_class` a dict of numbers; NaN where nothing counted.

    Raises:
        ValueError: for shapes that do not fit, an argument out of its range, or,
            with `classes` > 1, a label that is neither a class nor `ignore_class`.

    Example:

    >>> truth = np.array([[0, 1, 1, 2]])
    >>> keras_condattn.metrics.dice_score(truth, np.array([[0, 1, 2, 2]]), classes=3)
    0.6666666865348816

    Reference:
        As `DiceScore`.
    """
    metric = DiceScore(
        classes,
        threshold=threshold,
        from_logits=from_logits,
        average=average,
        empty=empty,
        include_background=include_background,
        ignore_class=ignore_class,
        per_class=per_class,
        data_format=data_format,
        epsilon=epsilon,
    )
    truth, scores = np.asarray(y_true), np.asarray(y_pred)
    if classes > 1:
        check_labels("y_true", truth, classes, ignore_class)
    if classes > 1 and scores.dtype.kind in "iu":
        check_labels("y_pred", scores, classes)
        metric.from_logits = False
        axis = 1 if metric.data_format == "channels_first" else -1
        scores = np.moveaxis(np.eye(classes, dtype="float32")[scores], -1, axis)
    metric.update_state(truth, scores)
    result = metric.result()
    if isinstance(result, dict):
        return {name: float(value) for name, value in result.items()}
    return float(result)
