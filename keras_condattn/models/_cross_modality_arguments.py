"""What a model of several modalities cannot be compiled, fitted or viewed with."""

import inspect
from collections.abc import Mapping
from typing import Any

from keras_condattn.layers import RandomView
from keras_condattn.losses.cross_modality import WEIGHTS


def arguments_of(method: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments of a call by their names."""
    return dict(inspect.signature(method).bind(*args, **kwargs).arguments)


def check_compile(given: Mapping[str, Any]) -> None:
    """Raises ValueError for metrics and `loss_weights`."""
    for name in ("metrics", "weighted_metrics"):
        if given.get(name):
            raise ValueError(
                f"{name} are not supported, got {given[name]!r}; accuracy and the "
                "loss's terms are logged without"
            )
    if given.get("loss_weights") is not None:
        raise ValueError(
            f"loss_weights are not supported, got {given['loss_weights']!r}; give "
            f"CrossModalityLoss its weights: {', '.join(WEIGHTS)}"
        )


def check_label_shape(y: Any) -> None:
    """Raises ValueError for labels that are not (B,) or (B, 1), where that is known."""
    if isinstance(y, Mapping):
        raise ValueError(f"y must be one array of labels, got a dict of {sorted(y)}")
    shape = getattr(y, "shape", None)
    # TensorFlow may not know the number of axes.
    if shape is None or getattr(shape, "rank", 0) is None:
        return
    if tuple(shape[1:]) not in ((), (1,), (None,)) or not len(shape):
        raise ValueError(
            "y must hold one class number a sample, (B,) or (B, 1), got shape "
            f"{tuple(shape)}"
        )


def check_view(view: Any, data_format: str | None = None) -> None:
    """Raises ValueError for what is no view, or one of another data format."""
    if not isinstance(view, RandomView):
        raise ValueError(f"view must be a keras_condattn RandomView, got {view!r}")
    if data_format is not None and view.data_format != data_format:
        raise ValueError(
            f"view must have the model's data_format, {data_format!r}, got "
            f"{view.data_format!r}"
        )


def check_view_of_maps(
    view: RandomView, shape: tuple[int | None, ...], classes: int
) -> None:
    """Raises ValueError where a view takes another axis for that of the classes."""
    if shape[1 if view.data_format == "channels_first" else -1] != classes:
        raise ValueError(
            f"view must have the data_format of the model, whose maps of {classes} "
            f"classes are {shape}, got {view.data_format!r}"
        )
