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
from keras_condattn.models._checked_batches import call_checked, check_unweighted
from keras_condattn.models._cross_modality_arguments import (
    arguments_of,
    check_compile,
    check_label_shape,
    check_view,
    check_view_of_maps,
)
from keras_condattn.models._labelled import LabelCheck
from keras_condattn.models._misaligned import misaligned
from keras_condattn.models._steps import plain

FAULTS = ("frozen_batch_norm", "misaligned_modalities", "unmasked")


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
    names, as means over the modalities without their weights, beside `accuracy`;
    `compile` takes no metrics beside them, and no `loss_weights`: the loss has them.
    `export` writes one output for each part of each modality, `"t1_logits"`,
    `"t1_class_activation_map"`, ..., in the order of these names where a format
    has no names.

    Made like any functional model, `CrossModalityModel(inputs, outputs)`, with
    outputs `{modality: {"logits": ..., "class_activation_map": ...}}` and the inputs
    a dict by modality, or one tensor of stacked channels; then `with_view(view)`.
    `applications.CrossModalityCAM` does both. `modalities` has the names in the order
    of these outputs. What `keras.models.clone_model` makes has no view and sorted
    names; `CrossModalityModel.from_config(model.get_config())` has both. Registered
    weights bring `preprocessing`, which is saved with the model: `predict_volume`
    goes by it.

    Raises:
        ValueError: for labels that are not class numbers (B,) or (B, 1), a modality
            that is missing or of another size (where arrays are given), a loss of
            another kind, weights of samples or classes, metrics, `loss_weights`, or
            training without a view.

    Example:

    >>> model = keras_condattn.applications.CrossModalityCAM(
    ...     (16, 16, 1), ("t1", "t2"), filters=(2, 4), data_format="channels_last"
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
        self.modalities = tuple(outputs)
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
        check_view(view)
        for parts in self.output.values():
            shape = tuple(parts["class_activation_map"].shape)
            check_view_of_maps(view, shape, self.classes)
        listed = not isinstance(faults, str) and isinstance(faults, Sequence)
        if not listed or [fault for fault in faults if fault not in FAULTS]:
            raise ValueError(f"faults must be of {FAULTS}, got {faults!r}")
        self.view, self.faults = view, tuple(faults)
        return self

    def take_view_of(self, original: "CrossModalityModel") -> None:
        """Makes a copy of a model learn as that does; what `insert_after` returns."""
        self.modalities = original.modalities
        if hasattr(original, "view"):
            view = RandomView.from_config(original.view.get_config())
            view.draws.assign(ops.copy(original.view.draws))
            self.with_view(view, original.faults)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if "frozen_batch_norm" in self.faults:
            training = False
        return super().call(inputs, training=training, mask=mask)

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """As for every Keras model, without metrics and `loss_weights`."""
        check_compile(arguments_of(super().compile, optimizer, loss, *args, **kwargs))
        super().compile(optimizer, loss, *args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as a saved model was; Keras does not where `compile` is custom."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """As for every Keras model, with an output for each part of each modality."""
        outputs = {
            f"{modality}_{part}": tensor
            for modality, parts in self.output.items()
            for part, tensor in parts.items()
        }
        # No format takes a dict of dicts.
        flat = keras.Model(self.input, outputs, name=self.name)
        flat(self.input)  # Keras 3.15 exports what has been called once.
        flat.export(filepath, *args, **kwargs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The compiled `CrossModalityLoss` of both views."""
        check_unweighted({"sample_weight": sample_weight})
        check_label_shape(y)
        self._check_viewed()
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
        return call_checked(super().fit, self._check_labels(), x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        return call_checked(
            super().evaluate, self._check_labels(), x, y, *args, **kwargs
        )

    def _check_labels(self) -> LabelCheck:
        self._check_viewed()
        return LabelCheck(self.modalities, self.classes)

    def _check_viewed(self) -> None:
        if not hasattr(self, "view"):
            raise ValueError(
                "view must be given before training, and this model has none: call "
                "model.with_view(keras_condattn.layers.RandomView(...)) first"
            )

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
            x = misaligned(x, self.modalities, self.view)
            first = self(x, training=True)
        poses = self.view.draw(ops.shape(label)[0])
        seen, valid = self.view.apply(x, poses)
        second = self(seen, training=True)
        sides = [_maps(out, label, self.view.data_format) for out in (first, second)]
        sides[0], _ = self.view.apply(sides[0], poses)
        if "unmasked" not in self.faults:
            sides = [{m: cam * valid for m, cam in side.items()} for side in sides]
        return first, second, tuple(sides)

    def _log(self, terms: Mapping[str, Tensor], label: Tensor, logits: Any) -> None:
        batch = ops.cast(ops.shape(label)[0], "float32")
        for name, value in terms.items():
            self.term_means[name].update_state(value / len(logits[0]), batch)
        for z in logits[0].values():
            right = ops.equal(ops.cast(ops.argmax(z, axis=-1), "int32"), label)
            self.term_means["accuracy"].update_state(ops.cast(right, "float32"))

    def get_config(self) -> dict[str, Any]:
        """The graph, modalities in their order, view, faults, `preprocessing`."""
        config: dict[str, Any] = super().get_config()
        config["modalities"] = list(self.modalities)
        preprocessing = getattr(self, "preprocessing", None)
        if preprocessing:
            config["preprocessing"] = plain(preprocessing)
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
        modalities = graph.pop("modalities", None)
        preprocessing = graph.pop("preprocessing", None)
        model: CrossModalityModel = super().from_config(graph, custom_objects)
        if modalities is not None:
            model.modalities = tuple(modalities)
        if preprocessing:
            model.preprocessing = preprocessing
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
