"""What a model of several modalities refuses, where it is given arrays."""

from typing import Any

import numpy as np


def check_modalities(model: Any, x: Any, y: Any) -> None:
    """Raises ValueError for a missing or unlike modality, or a label of no class."""
    wanted, classes = model.modalities, model.classes
    if isinstance(x, dict):
        missing = [name for name in wanted if name not in x]
        if missing:
            raise ValueError(
                f"x lacks {', '.join(missing)}: it must hold {', '.join(wanted)}, got "
                f"{', '.join(map(str, sorted(x)))}"
            )
        shapes = {name: tuple(getattr(x[name], "shape", ())) for name in wanted}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"x: modalities must have one shape, got {shapes}")
    if not isinstance(y, (np.ndarray, list, tuple)):
        return
    labels = np.asarray(y)
    whole = labels.dtype.kind in "biuf" and (labels == labels.astype("int64")).all()
    if not whole or labels.min(initial=0) < 0 or labels.max(initial=0) >= classes:
        raise ValueError(
            f"y must hold class numbers from 0 to {classes - 1}, got "
            f"{np.unique(labels)[:8].tolist()}"
        )
