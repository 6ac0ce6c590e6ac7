"""A network that learns masks from images and scribbles alone."""

import math
from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import Tensor
from keras_condattn.losses import ScribbleLoss
from keras_condattn.losses._known import mean_similarity, similarity_spread
from keras_condattn.models._checked_batches import call_checked
from keras_condattn.models._scribble_check import ScribbleCheck, bare
from keras_condattn.models.conditioned_model import ConditionedModel

TERMS = (
    "partial_cross_entropy", "gated_crf", "attentive_similarity", "similarity_floor",
)  # fmt: skip
# Of K: a mean that sinks is a collapse, and so is a spread of next to nothing.
SIMILARITY = {
    "mean_similarity": mean_similarity, "similarity_spread": similarity_spread,
}  # fmt: skip


@export
class ScribbleModel(ConditionedModel):
    """A functional model that trains with `losses.ScribbleLoss`.

    Made like any functional model, of an `"image"` and with a dict of outputs:
    `"mask"`, the logits, and, where the loss asks for it, `"similarity"`, as
    `layers.AttentiveSimilarity` emits it. It is compiled with a `ScribbleLoss`, in
    which all hyper-parameters are, and fitted to
    `x = {"image": ...}` or the image bare, `y = {"scribble": (B, H, W)}` or the
    scribble bare. The logs have a curve for the loss, each of its terms before its
    weight, and the mean and the standard deviation of K over all pairs: a K that is
    the same number everywhere tells no pair from another.

    Metrics look at dense labels and nothing else does: they are given as
    `metrics={"mask": [...]}` and see `y["label"]` and the logits; the logs call them
    `mask_<name>`, or `<name>` where the mask is all that the network gives. Where
    `y` has no `"label"` they are left out.

    Scribbles are looked at before they are learned from: classes that there are, and
    the size of the image. Arrays before the first step, a `PyDataset` batch by
    batch; of other data sets, numbers that are no class make the loss NaN on JAX and
    an error elsewhere.

    Raises:
        ValueError: for outputs without a mask; by `fit` and `evaluate`, where it is
            compiled with another loss than a `ScribbleLoss`, with `loss_weights`, or
            with a loss that wants a similarity the network does not give; for a
            scribble that does not fit, or weights of samples or classes.

    Example:

    >>> model = keras_condattn.applications.AttenScribbleUNet(
    ...     (16, 16, 1), 2, filters=(4, 4, 4), dropout=0.0, similarity_radius=1,
    ...     data_format="channels_last",
    ... )
    >>> model.compile("adam", keras_condattn.losses.ScribbleLoss(
    ...     ignore_class=2, radius=1, similarity_radius=1, data_format="channels_last"
    ... ))
    >>> scribble = np.full((2, 16, 16), 2)
    >>> scribble[:, 3, 4:12] = 1
    >>> scribble[:, 9, 4:12] = 0
    >>> logs = model.fit(
    ...     {"image": np.zeros((2, 16, 16, 1))}, {"scribble": scribble}, verbose=0
    ... ).history
    >>> [name for name in logs if name != "loss"]  # doctest: +NORMALIZE_WHITESPACE
    ['attentive_similarity', 'gated_crf', 'mean_similarity', 'partial_cross_entropy',
     'similarity_spread']

    Reference:
        AttenScribble, arXiv 2312.06614.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.output, dict) or "mask" not in self.output:
            got = sorted(self.output) if isinstance(self.output, dict) else self.output
            raise ValueError(f"outputs must be a dict with 'mask', got {got}")
        self.curves = {
            name: keras.metrics.Mean(name=name) for name in (*TERMS, *SIMILARITY)
        }

    @property
    def metrics(self) -> list[Any]:
        """Those of Keras, without the curves of terms that take no part."""
        drawn = self._drawn()
        unused = {id(c) for name, c in self.curves.items() if name not in drawn}
        known = [metric for metric in super().metrics if id(metric) not in unused]
        # Keras makes those given to `compile` at the first dense label they see.
        return [m for m in known if not _compiled(m) or m.built]

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The graph; an image in a dict of its own goes in like a bare one."""
        if not isinstance(self.input, dict):
            inputs = bare(inputs, "image")
        return super().call(inputs, training=training, mask=mask)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The loss of a batch; the curves learn of its terms."""
        self._check_loss()
        if sample_weight is not None:
            raise ValueError("sample_weight and class_weight have no part in this loss")
        true = {"image": bare(x, "image"), "scribble": _scribble(y)}
        if "similarity" in y_pred:
            true["similarity"] = y_pred["similarity"]
        terms = self.loss.terms(true, y_pred["mask"])
        # By samples, as Keras takes the mean of the loss.
        count = ops.cast(ops.shape(true["scribble"])[0], "float32")
        for name, term in terms.items():
            self.curves[name].update_state(ops.stop_gradient(term), count)
        if "similarity" in y_pred:
            K = ops.stop_gradient(y_pred["similarity"])
            for name, of in SIMILARITY.items():
                value = of(K, self.loss.similarity_radius)
                self.curves[name].update_state(value, count)
        weights = self.loss.weights
        total: Tensor = sum(weights[name] * term for name, term in terms.items())
        return sum(self.losses, total)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """The metrics' values; those of the mask look at dense labels alone."""
        if isinstance(y, dict) and "label" in y:
            true = {**y_pred, "mask": y["label"]}
            return super().compute_metrics(x, true, y_pred, sample_weight)
        return {m.name: m.result() for m in self.metrics if not _compiled(m)}

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As for every Keras model, once the scribbles are looked at."""
        return call_checked(super().fit, self._check_scribble(), x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As for every Keras model, once the scribbles are looked at."""
        return call_checked(
            super().evaluate, self._check_scribble(), x, y, *args, **kwargs
        )

    def train_on_batch(
        self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """As for every Keras model, once the arrays are looked at."""
        self._check_scribble()(x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def test_on_batch(
        self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """As for every Keras model, once the arrays are looked at."""
        self._check_scribble()(x, y)
        return super().test_on_batch(x, y, *args, **kwargs)

    def _drawn(self) -> set[str]:
        loss = getattr(self, "loss", None)
        drawn = set(loss.weights) if isinstance(loss, ScribbleLoss) else set()
        gives = drawn and "similarity" in self.output
        return drawn | (set(SIMILARITY) if gives else set())

    def _check_loss(self) -> None:
        # Not in `compile`: with one of its own, Keras loads models uncompiled.
        loss = getattr(self, "loss", None)
        if not isinstance(loss, ScribbleLoss):
            raise ValueError(
                "loss must be a keras_condattn.losses.ScribbleLoss (which with dense "
                "labels, ignore_class=None and weights of 0 is cross-entropy), got "
                f"{loss!r}"
            )
        wanted = {"attentive_similarity", "similarity_floor"} & set(loss.weights)
        if wanted and "similarity" not in self.output:
            raise ValueError(
                f"loss: {' and '.join(sorted(wanted))} needs an output 'similarity', "
                "which this network does not give; set similarity_weight=0 and "
                "similarity_floor=0"
            )
        radius = loss.similarity_radius
        places = self.output["similarity"].shape[-1] if wanted else None
        if places not in (None, (2 * radius + 1) ** 2):
            raise ValueError(
                f"loss: similarity_radius is {radius}, a window of "
                f"{(2 * radius + 1) ** 2} places; the network was built with "
                f"similarity_radius={(math.isqrt(places) - 1) // 2} and gives {places}"
            )

    def _check_scribble(self) -> ScribbleCheck:
        """What looks at scribbles, once the loss is looked at."""
        self._check_loss()
        if (self.get_compile_config() or {}).get("loss_weights") is not None:
            raise ValueError(
                "loss_weights is not supported, got some; the weights of the terms "
                "are arguments of ScribbleLoss"
            )
        first = self.loss.data_format == "channels_first"
        classes = self.output["mask"].shape[1 if first else -1]
        return ScribbleCheck(classes, self.loss.ignore_class, first)


def _compiled(metric: Any) -> bool:
    """Whether this is the one under which Keras keeps the metrics of `compile`."""
    return hasattr(metric, "built")


def _scribble(y: Any) -> Any:
    found = bare(y, "scribble")
    if found is None or isinstance(found, dict):
        got = sorted(found) if isinstance(found, dict) else None
        raise ValueError(f"y must be a scribble or a dict with 'scribble', got {got}")
    return found
