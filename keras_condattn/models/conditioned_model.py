"""The Keras model of every conditioned network."""

from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn.layers._checks import check_finite
from keras_condattn.models._steps import plain
from keras_condattn.models.divisible import DivisibleSize


@export
class ConditionedModel(keras.Model):
    """A functional model that looks at its conditioning before it works with it.

    Nothing can be raised inside a compiled step, and a NaN there ends as a NaN in
    every weight. So `fit`, `evaluate` and `predict` (and their `_on_batch` forms)
    check the conditioning *arrays* they are given first. Streams (`PyDataset`,
    `DataLoader`, generators) are checked where they are made:
    `keras_condattn.datasets.Batches` refuses such an item by name.

    Made like any functional model: `ConditionedModel(inputs, outputs)`, with a dict
    of inputs that has a `"conditioning"`. Where it has an attribute `preprocessing`,
    a dict of plain values that says what is done to images before it (registered
    weights bring it, `predict_volume` goes by it), it is saved with the model.

    Raises:
        ValueError: where the conditioning is not finite or not one vector an image.

    Example:

    >>> image = keras.Input((8, 8, 3), name="image")
    >>> vector = keras.Input((4,), name="conditioning")
    >>> film = keras_condattn.layers.FiLM(data_format="channels_last")
    >>> model = keras_condattn.models.ConditionedModel(
    ...     {"image": image, "conditioning": vector}, film(image, vector)
    ... )
    >>> model.predict(
    ...     {"image": np.ones((2, 8, 8, 3)), "conditioning": np.eye(4)[:2]}, verbose=0
    ... ).shape
    (2, 8, 8, 3)
    """

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._check(x)
        validation = kwargs.get("validation_data")
        if isinstance(validation, (tuple, list)) and validation:
            self._check(validation[0])
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._check(x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        self._check(x)
        return super().predict(x, *args, **kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        self._check(x)
        return super().train_on_batch(x, *args, **kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        self._check(x)
        return super().test_on_batch(x, *args, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        self._check(x)
        return super().predict_on_batch(x)

    def get_config(self) -> dict[str, Any]:
        """The graph, and `preprocessing` where there is one."""
        config: dict[str, Any] = super().get_config()
        found = getattr(self, "preprocessing", None)
        return config | ({"preprocessing": plain(found)} if found else {})

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "ConditionedModel":
        """The model of a config."""
        graph = dict(config)
        preprocessing = graph.pop("preprocessing", None)
        model: ConditionedModel = super().from_config(graph, custom_objects)
        if preprocessing:
            model.preprocessing = preprocessing
        return model

    def _check(self, x: Any) -> None:
        check_inputs(x)
        image = getattr(x.get("image"), "shape", None) if isinstance(x, dict) else None
        for layer in self.layers:
            # A graph that TensorFlow made for any size has no size to look at.
            if image is not None and isinstance(layer, DivisibleSize):
                layer.check(tuple(image))


def check_inputs(x: Any) -> None:
    """Raises ValueError where a dict of arrays holds a conditioning that cannot be."""
    if not isinstance(x, dict) or "conditioning" not in x:
        return
    conditioning, image = x["conditioning"], x.get("image")
    shape = getattr(conditioning, "shape", None)
    if shape is None:
        return
    if len(shape) != 2:
        raise ValueError(
            "conditioning must have shape (B, Z), one vector an image, got shape "
            f"{tuple(shape)}"
        )
    images = getattr(image, "shape", shape)[0]
    if images != shape[0]:
        raise ValueError(
            f"conditioning must hold one vector for each of the {images} images, got "
            f"{shape[0]} vectors"
        )
    check_finite("conditioning", conditioning)
