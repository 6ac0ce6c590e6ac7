"""What a model of several modalities refuses to learn from."""

import dataclasses
from typing import Any

import numpy as np

from keras_condattn.models._checked_batches import array_of
from keras_condattn.models._cross_modality_arguments import check_label_shape


@dataclasses.dataclass(frozen=True)
class LabelCheck:
    """Looks at images and labels; it can be sent to another process.

    Args:
        modalities: their names.
        classes: how many there are.
    """

    modalities: tuple[str, ...]
    classes: int

    def __call__(self, x: Any, y: Any) -> None:
        """Raises ValueError for a missing or unlike modality, or a label of none."""
        if isinstance(x, dict):
            self._check_images(x)
        check_label_shape(y)
        labels = array_of(y)
        if labels is None:
            return
        whole = labels.dtype.kind in "biuf" and (labels == labels.astype("int64")).all()
        low, high = labels.min(initial=0), labels.max(initial=0)
        if not whole or low < 0 or high >= self.classes:
            raise ValueError(
                f"y must hold class numbers from 0 to {self.classes - 1}, got "
                f"{np.unique(labels)[:8].tolist()}"
            )

    def _check_images(self, x: dict[str, Any]) -> None:
        missing = [name for name in self.modalities if name not in x]
        if missing:
            raise ValueError(
                f"x lacks {', '.join(missing)}: it must hold "
                f"{', '.join(self.modalities)}, got {', '.join(map(str, sorted(x)))}"
            )
        shapes = {m: tuple(getattr(x[m], "shape", ())) for m in self.modalities}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"x: modalities must have one shape, got {shapes}")
