"""Learning maps from image-level labels and the agreement of modalities."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import Tensor
from keras_condattn.layers import RandomView
from keras_condattn.losses import CrossModalityLoss, normalize_cam
from keras_condattn.losses.cross_modality import WEIGHTS
from keras_condattn.models._labelled import check_modalities

FAULTS = ("frozen_batch_norm", "misaligned_modalities", "unmasked")
# The release shifts each modality on its own by up to this fraction.
MISALIGNMENT = 0.1


@export
class CrossModalityModel(keras.Model):
    """A functional model of several modalities, and how it learns from labels.

    Every training step sees two views: the images x, and T(x) with one
    transformation a sample, drawn once and applied alike to all its modalities. The
    maps of the first view are transformed by the same T, and both views go into a
    `CrossModalityLoss`, which holds all weights; compile with one, or with none for
    the released weights (of a single modality, without the terms between
    modalities). Both forward passes are training passes: batch normalisation learns
    in each. In evaluation T leaves the images as they are: equivariance is 0 there,
    and the loss is no measure of it.

    Labels are (B,), class numbers, 0 for negative. The terms are logged by their
    names, as means over the modalities without their weights, beside `accuracy`.

    Made like any functional model, `CrossModalityModel(inputs, outputs)`, with
    outputs `{modality: {"logits": ..., "class_activation_map": ...}}` and the inputs
    a dict by modality, or one tensor of stacked channels; then `with_view(view)`.
    `applications.CrossModalityCAM` does both.

    Raises:
        ValueError: for labels that are not class numbers, a modality that is missing
            or of another size (both where arrays are given), a loss of another
            kind, or sample weights.

    Example:

    >>> model = keras_condattn.applications.CrossModalityCAM(
    ...     (16, 16, 1), ("t1", "t2"), filters=2, data_format="channels_last"
    ... )
    >>> model.compile("adamw", keras_condattn.losses.CrossModalityLoss(pixels="sum"))
    >>> x = {m: np.random.default_rng(0).random((2, 16, 16, 1)) for m in ("t1", "t2")}
    >>> history = model.fit(x, np.array([0, 1]), verbose=0).history
    >>> sorted(history)
    ['accuracy', 'classification', 'cross_modality', 'equivariance', 'kl', 'loss']

    Reference:
        arXiv 2104.02488. The networks share no parameters and their targets carry no
        gradient, so that one step on the sum of their losses is the release's step
        for each of them in turn.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        outputs = kwargs["outputs"] if "outputs" in kwargs else args[1]
        self.modalities = tuple(sorted(outputs))
        self.classes = int(outputs[self.modalities[0]]["logits"].shape[-1])
        self.faults: tuple[str, ...] = ()
        self.term_means = {
            name: keras.metrics.Mean(name=name) for name in (*WEIGHTS, "accuracy")
        }

    def with_view(
        self, view: RandomView, faults: Sequence[str] = ()
    ) -> "CrossModalityModel":
        """Gives the model its transformation, once; `CrossModalityCAM` says more."""
        if hasattr(self, "view"):
            raise ValueError("view is given already; make a new model for another one")
        unknown = [fault for fault in faults if fault not in FAULTS]
        if unknown:
            raise ValueError(f"faults must be of {FAULTS}, got {unknown}")
        self.view, self.faults = view, tuple(faults)
        if "misaligned_modalities" in self.faults:
            self.misalignment = RandomView(
                ("shift",), shift=MISALIGNMENT, seed=view.seed,
                data_format=view.data_format,  # type: ignore[arg-type]
                name="misalignment",
            )  # fmt: skip
        return self

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if "frozen_batch_norm" in self.faults:
            training = False
        return super().call(inputs, training=training, mask=mask)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The compiled `CrossModalityLoss` of both views."""
        if sample_weight is not None:
            raise ValueError("sample_weight is not supported, got one; leave it out")
        objective = self._objective(list(y_pred))
        label = ops.cast(ops.reshape(y, (-1,)), "int32")
        first, second, maps = self._views(x, label, y_pred, training)
        logits: Any = tuple(
            {m: ops.cast(out["logits"], "float32") for m, out in view.items()}
            for view in (first, second)
        )
        terms = objective.terms(label, logits, maps, self.view.data_format)
        self._log(terms, label, logits)
        total = objective.total(terms)
        for extra in self.losses:
            total = total + ops.sum(ops.cast(extra, total.dtype))
        return total

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """The logs: the loss's terms, without those that it leaves out."""
        results = super().compute_metrics(x, y, y_pred, sample_weight)
        objective = self._objective(list(y_pred))
        return {
            name: value
            for name, value in results.items()
            if name not in WEIGHTS or getattr(objective, name)
        }

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("sample_weight") is not None:
            # Before the first forward pass, which moves the averages.
            raise ValueError("sample_weight is not supported, got one; leave it out")
        check_modalities(self, x, y)
        validation = kwargs.get("validation_data")
        if isinstance(validation, (tuple, list)) and len(validation) > 1:
            check_modalities(self, *validation[:2])
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        check_modalities(self, x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def network(self, modality: str) -> keras.Model:
        """The network of one modality; `load_official` takes its parameters."""
        found: keras.Model = self.get_layer(f"{modality}_network")
        return found

    def _objective(self, modalities: list[str]) -> CrossModalityLoss:
        objective = getattr(self, "loss", None)
        if objective is None:
            alone: dict[str, Any] = {}
            if len(modalities) < 2:
                alone = {"cross_modality": 0.0, "kl": 0.0}
            objective = CrossModalityLoss(**alone)
        if not isinstance(objective, CrossModalityLoss):
            raise ValueError(
                "loss must be a keras_condattn.losses.CrossModalityLoss, or None for "
                f"its defaults, got {objective!r}"
            )
        objective.check_modalities(modalities)
        return objective

    def _views(self, x: Any, label: Tensor, first: Any, training: bool) -> Any:
        """Both views' outputs, and their maps on the second one's pixels."""
        if not training:
            maps = _maps(first, label, self.view.data_format)
            return first, first, (maps, maps)
        if "misaligned_modalities" in self.faults:
            x = self._misaligned(x, list(first))
            first = self(x, training=True)
        poses = self.view.draw(ops.shape(label)[0])
        seen, valid = self.view.apply(x, poses)
        second = self(seen, training=True)
        sides = [_maps(out, label, self.view.data_format) for out in (first, second)]
        sides[0], _ = self.view.apply(sides[0], poses)
        if "unmasked" not in self.faults:
            sides = [{m: cam * valid for m, cam in side.items()} for side in sides]
        return first, second, tuple(sides)

    def _misaligned(self, x: Any, modalities: list[str]) -> Any:
        axis = 1 if self.view.data_format == "channels_first" else -1
        stacked = not isinstance(x, Mapping)
        names = sorted(modalities)
        parts = ops.split(x, len(names), axis=axis) if stacked else [
            x[name] for name in names
        ]  # fmt: skip
        batch = ops.shape(parts[0])[0]
        poses = self.misalignment.draw(batch * len(names))
        moved = [
            self.misalignment.apply(part, poses[i * batch : (i + 1) * batch])[0]
            for i, part in enumerate(parts)
        ]
        if stacked:
            return ops.concatenate(moved, axis=axis)
        return dict(zip(names, moved, strict=True))

    def _log(self, terms: Mapping[str, Tensor], label: Tensor, logits: Any) -> None:
        batch = ops.cast(ops.shape(label)[0], "float32")
        for name, value in terms.items():
            self.term_means[name].update_state(value / len(logits[0]), batch)
        for z in logits[0].values():
            right = ops.equal(ops.cast(ops.argmax(z, axis=-1), "int32"), label)
            self.term_means["accuracy"].update_state(ops.cast(right, "float32"))

    def get_config(self) -> dict[str, Any]:
        """The graph, the view and the faults."""
        config: dict[str, Any] = super().get_config()
        if hasattr(self, "view"):
            config["view"] = keras.saving.serialize_keras_object(self.view)
            config["faults"] = list(self.faults)
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "CrossModalityModel":
        """The model of a config."""
        graph = dict(config)
        view, faults = graph.pop("view", None), graph.pop("faults", ())
        model: CrossModalityModel = super().from_config(graph, custom_objects)
        if view is not None:
            model.with_view(keras.saving.deserialize_keras_object(view), faults)
        return model


def _maps(outputs: Any, label: Tensor, data_format: Any) -> dict[str, Tensor]:
    """Each modality's normalised map of the label, or of class 1 where it is 0."""
    axis = 1 if data_format == "channels_first" else -1
    found = {}
    for modality, out in outputs.items():
        cam = ops.cast(out["class_activation_map"], "float32")
        chosen = ops.one_hot(ops.maximum(label, 1), cam.shape[axis], dtype="float32")
        at = (-1, cam.shape[axis], 1, 1) if axis == 1 else (-1, 1, 1, cam.shape[axis])
        own = ops.sum(cam * ops.reshape(chosen, at), axis=axis, keepdims=True)
        found[modality] = normalize_cam(own, data_format)
    return found
