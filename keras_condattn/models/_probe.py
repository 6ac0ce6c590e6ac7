"""Activations of a layer and the gradients of class scores with respect to them."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_condattn._types import Tensor
from keras_condattn.models._named import chosen_output, ends, found_layer, named_leaves
from keras_condattn.models._rebuild import Rebuild

Array = NDArray[np.float32]
Variables = tuple[keras.Variable, keras.Variable, keras.Variable]


@dataclasses.dataclass
class Tap:
    """What the probe's layer sees; no layer, so that Keras tracks nothing of it.

    Attributes:
        shape: of the activation, known once the layer was called.
        variables: what is added to the activation, the activation, and how many
            times the layer was called; None until there are any.
    """

    shape: tuple[int | None, ...] = ()
    variables: Variables | None = None

    def begin(self) -> Variables:
        """Makes the variables."""
        self.variables = (
            _zeros(self.shape, True, "grad_cam_shift"),
            _zeros(self.shape, False, "grad_cam_activation"),
            _zeros((), False, "grad_cam_calls", "int32"),
        )
        return self.variables


class Probe(keras.layers.Layer):
    """x + shift, where shift is 0: its gradient is that of the activation x."""

    def __init__(self, tap: Tap, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.tap = tap
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        self.tap.shape = tuple(x.shape)
        if self.tap.variables is None:
            return x
        shift, activation, calls = self.tap.variables
        activation.assign(ops.cast(x, "float32"))
        calls.assign_add(1)
        return x + ops.cast(shift, x.dtype)

    def compute_output_spec(self, x: Tensor) -> Tensor:
        self.tap.shape = tuple(x.shape)
        return keras.KerasTensor(x.shape, x.dtype)


class Probed(keras.Model):
    """A functional model that trains its probe, and sees images as in inference."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        # Neither dropout nor the statistics of a batch play a part in an explanation.
        return super().call(inputs, training=False, mask=mask)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None,
        sample_weight: Any = None, training: bool = True,
    ) -> Tensor:  # fmt: skip
        """The sum of the scores that y (B, K) picks; what layers add is left out."""
        picked = ops.convert_to_tensor(y, "float32")
        return ops.sum(picked * ops.cast(y_pred, "float32"))


class Gradients:
    """Explains one layer of a model, of which it holds a copy.

    Samples do not see each other in inference, so that the gradient of the sum of
    their scores is each sample's own. One step of plain gradient descent at rate 1
    leaves minus that in the probe, on every backend.

    Args:
        model: a functional or built Sequential model.
        layer: name or path of the layer.
        output: path of the scores (B, K) among the outputs; None where there is one.
        data_format: of the activation; None means the layer's, or the model's.

    Attributes:
        classes: K.
    """

    def __init__(
        self, model: Any, layer: str, output: str | None, data_format: str | None
    ) -> None:
        self.path, item = found_layer(model, layer)
        self.format = data_format or getattr(item, "data_format", None)
        inputs, outputs = ends(model)
        path = chosen_output(outputs, output)
        self.tap = Tap()
        # Without what it was compiled with, which nothing here needs.
        plain = keras.Model(inputs, outputs)
        rebuild = Rebuild(
            plain, {self.path}, lambda name, _: Probe(self.tap, f"{name}_grad_cam")
        )
        try:
            copy = rebuild.model(plain, "")
        except ValueError as error:
            raise ValueError(str(error).replace("pattern:", "layer:", 1)) from error
        rebuild.copy_values()
        self.first = rebuild.first
        scores = dict(named_leaves(copy.output))[path]
        self.classes = int(scores.shape[-1])
        self.probed = Probed(copy.input, scores)

    def begin(self, images: Any) -> None:
        """Makes room for batches like this one."""
        self.tap.shape = ()
        self._see(images)
        if not self.tap.shape:
            raise ValueError(
                f"layer: the scores do not depend on {self.path!r}, which therefore "
                "explains nothing of them"
            )
        if not 3 <= len(self.tap.shape) <= 5:
            raise ValueError(
                f"layer: {self.path!r} must put out (B, *S, C) with one to three "
                f"spatial axes, got {self.tap.shape}"
            )
        shift, activation, calls = self.tap.begin()
        for variable in self.probed.variables:
            variable.trainable = False
        # Tracked by the model, which its trainers ask what to train and to update.
        self.probed.grad_cam = [shift, activation, calls]
        self.probed.compile(keras.optimizers.SGD(1.0), auto_scale_loss=False)

    def _see(self, images: Any) -> None:
        specs = keras.tree.map_structure(
            lambda x, like: keras.KerasTensor(x.shape, like.dtype),
            images, self.probed.input,
        )  # fmt: skip
        self.probed.compute_output_spec(specs)
        if not self.tap.shape or None in self.tap.shape:
            self.probed(images)

    def of(self, images: Any, classes: list[int]) -> Iterator[tuple[Array, Array]]:
        """(activation, gradient) (B, *S, C) for each class, of a batch as in `begin`.

        Raises:
            ValueError: where the layer is called more than once.
        """
        shift, activation, calls = self.tap.variables or self.tap.begin()
        batch = len(keras.tree.flatten(images)[0])
        for number in classes:
            picked = np.zeros((batch, self.classes), "float32")
            picked[:, number] = 1
            shift.assign(np.zeros(shift.shape, "float32"))
            calls.assign(0)
            self.probed.train_on_batch(images, picked)
            times = int(ops.convert_to_numpy(calls))
            if times != 1:
                raise ValueError(
                    f"layer: {self.path!r} is called {times} times for one image; take "
                    "a layer after the point where its outputs meet"
                )
            yield self._array(activation), -self._array(shift)

    def _array(self, variable: keras.Variable) -> Array:
        array = np.array(ops.convert_to_numpy(variable))
        first = self.format == "channels_first"
        if self.format is None:
            # Sequences (B, T, C) have their channels last in either format.
            first = self.first and array.ndim > 3
        return np.moveaxis(array, 1, -1) if first else array


def _zeros(
    shape: Any, trainable: bool, name: str, dtype: str = "float32"
) -> keras.Variable:
    return keras.Variable(
        "zeros", shape=shape, dtype=dtype, trainable=trainable, autocast=False,
        name=name,
    )  # fmt: skip
