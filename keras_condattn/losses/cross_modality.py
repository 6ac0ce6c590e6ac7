"""What networks of several modalities learn from image-level labels."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.losses._batch_loss import BatchLoss
from keras_condattn.losses._checks import (
    beyond,
    check_not_negative,
    check_positive,
    format_of,
)
from keras_condattn.losses._maps import entries
from keras_condattn.losses.cross_modality_equivariance import (
    REDUCTIONS,
    cross_modality_equivariance,
)
from keras_condattn.losses.equivariance import equivariance
from keras_condattn.losses.temperature_kl import temperature_kl

# One entry a modality; the first view's, then the second's.
Views: TypeAlias = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]
WEIGHTS = ("classification", "equivariance", "cross_modality", "kl")


@export
class CrossModalityLoss(BatchLoss):
    """Classification, and maps that agree between views and between modalities.

    Of modality m and views v, with logits z and normalised maps P (the first view's,
    transformed) and R (the second's), the terms are

    ```
    classification  mean over v of CE(z_vm, label)
    equivariance    equivariance(P_m, R_m, positive)
    cross_modality  mean over other modalities j and over both directions of
                    cross_modality_equivariance(P_m, R_j, positive and z_2j says so)
                    cross_modality_equivariance(R_m, P_j, positive and z_1j says so)
    kl              mean over j and v of temperature_kl(z_vm, z_vj)
    ```

    and the loss is their weighted sum, summed over the modalities. "Says so" means
    that the largest logit is the label's. `CrossModalityModel` computes the views.

    Args:
        classification: the term's weight. Defaults to 1.0.
        equivariance: the term's weight. Defaults to 1.0.
        cross_modality: the term's weight. Defaults to 1.0.
        kl: the term's weight. Defaults to 0.5.
        temperature: of the KL term. Defaults to 10.0.
        pixels: `"mean"`, as released, or `"sum"`, under which the cross-modality
            term is not inert (see `cross_modality_equivariance`). Defaults to
            `"mean"`.
        data_format: of the maps. None means `keras.config.image_data_format()`.
            Defaults to None.
        name: of the loss. Defaults to "cross_modality_loss".

    Call arguments:
        y_true: (B,), class numbers; 0 is negative.
        y_pred: `{"logits": (first, second), "maps": (first, second)}`, each a dict
            with an entry (B, K) or (B, *S, 1) a modality.

    Returns:
        A scalar.

    Raises:
        ValueError: for a weight below 0, weights that are all 0, and where a term
            between modalities is asked of a single one.

    Example:

    >>> loss = keras_condattn.losses.CrossModalityLoss(data_format="channels_last")
    >>> logits = {"t1": np.zeros((1, 2)), "t2": np.zeros((1, 2))}
    >>> maps = {"t1": np.ones((1, 4, 4, 1)), "t2": np.ones((1, 4, 4, 1))}
    >>> pred = {"logits": (logits, logits), "maps": (maps, maps)}
    >>> round(float(loss.call(np.ones(1, "int32"), pred)), 4)  # 2 log 2
    1.3863

    Reference:
        Patel and Dolz, arXiv 2104.02488, with the released code's weights.
    """

    def __init__(
        self,
        classification: float = 1.0,
        equivariance: float = 1.0,
        cross_modality: float = 1.0,
        kl: float = 0.5,
        temperature: float = 10.0,
        pixels: str = "mean",
        data_format: DataFormat | None = None,
        name: str = "cross_modality_loss",
    ) -> None:
        super().__init__(name=name)
        given = (classification, equivariance, cross_modality, kl)
        weights = dict(zip(WEIGHTS, given, strict=True))
        check_not_negative(**weights)
        if not any(given):
            raise ValueError(
                f"{', '.join(WEIGHTS)}: one weight at least must be above 0, got 0 for "
                "each"
            )
        self.classification, self.equivariance = map(float, given[:2])
        self.cross_modality, self.kl = map(float, given[2:])
        check_positive(temperature=temperature)
        if pixels not in REDUCTIONS:
            raise ValueError(f"pixels must be 'mean' or 'sum', got {pixels!r}")
        self.temperature, self.pixels = float(temperature), pixels
        self.data_format = format_of(data_format)

    def call(self, y_true: Tensor, y_pred: Any) -> Tensor:
        logits, maps = entries("y_pred", y_pred, "logits", "maps")
        return self.total(self.terms(y_true, logits, maps))

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of what `terms` gave."""
        return sum(
            getattr(self, name) * ops.cast(value, "float32")
            for name, value in terms.items()
        )

    def terms(
        self,
        label: Tensor,
        logits: Views,
        maps: Views,
        data_format: str | None = None,
    ) -> dict[str, Tensor]:
        """Each term without its weight, summed over the modalities.

        A term whose weight is 0 is left out. `data_format`, where it is given, goes
        before the loss's own.
        """
        layout = data_format or self.data_format
        self.check_modalities(list(logits[0]))
        label = ops.cast(ops.convert_to_tensor(label), "int32")
        compute = {
            "classification": lambda: _classification(label, logits),
            "equivariance": lambda: _within(label, maps, layout),
            "cross_modality": lambda: self._between(label, logits, maps, layout),
            "kl": lambda: self._kl(logits),
        }
        return {name: compute[name]() for name in WEIGHTS if getattr(self, name)}

    def check_modalities(self, names: list[str]) -> None:
        """Raises ValueError where a single modality is asked to agree with others."""
        asked = [name for name in ("cross_modality", "kl") if getattr(self, name)]
        if len(names) < 2 and asked:
            raise ValueError(
                f"{' and '.join(asked)} compare modalities and there is only "
                f"{', '.join(names)}: give 0 as their weight"
            )

    def _between(
        self, label: Tensor, logits: Views, maps: Views, layout: Any
    ) -> Tensor:
        total = 0.0
        for m, j in _pairs(maps[0]):
            for mine, theirs in ((0, 1), (1, 0)):
                total = total + cross_modality_equivariance(
                    maps[mine][m], maps[theirs][j],
                    agreement(label, logits[theirs][j]), reduction=self.pixels,
                    data_format=layout,
                )  # fmt: skip
        return total / (2 * (len(maps[0]) - 1))

    def _kl(self, logits: Views) -> Tensor:
        divergences = [
            temperature_kl(view[m], view[j], self.temperature)
            for m, j in _pairs(logits[0])
            for view in logits
        ]
        return sum(divergences) / (2 * (len(logits[0]) - 1))

    def get_config(self) -> dict[str, Any]:
        names = (*WEIGHTS, "temperature", "pixels", "data_format", "name")
        return {name: getattr(self, name) for name in names}


def agreement(label: Tensor, logits: Tensor) -> Tensor:
    """(B,) in float32: 1 where the label is positive and the logits say it."""
    said = ops.cast(ops.argmax(logits, axis=-1), "int32")
    both = ops.logical_and(label > 0, ops.equal(said, label))
    return ops.cast(both, "float32")


def _classification(label: Tensor, logits: Views) -> Tensor:
    classes = next(iter(logits[0].values())).shape[-1]
    wrong = beyond("y_true", label, classes)
    entropies = [
        ops.mean(ops.sparse_categorical_crossentropy(label, z, from_logits=True))
        for view in logits
        for z in view.values()
    ]
    return sum(entropies) / 2 + wrong


def _within(label: Tensor, maps: Views, layout: Any) -> Tensor:
    positive = ops.cast(label > 0, "float32")
    return sum(
        equivariance(maps[0][m], maps[1][m], positive, data_format=layout)
        for m in maps[0]
    )


def _pairs(modalities: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every modality with every other."""
    return [(m, j) for m in modalities for j in modalities if m != j]
