"""What models of several modalities cannot be compiled, fitted or viewed with."""

import keras
import numpy as np
import pytest

from keras_condattn.applications import CrossModalityCAM
from keras_condattn.layers import RandomView
from keras_condattn.losses import CrossModalityLoss
from keras_condattn.models import CrossModalityModel

LABEL = np.array([1, 0], "int32")


@pytest.fixture(scope="module")
def model():
    return CrossModalityCAM((8, 8, 1), filters=(2, 3), data_format="channels_last")


@pytest.fixture
def images(rng):
    return {f"modality_{i}": rng.random((2, 8, 8, 1)) for i in (1, 2)}


@pytest.mark.parametrize(("given", "message"), [
    ({"metrics": ["accuracy"]}, r"metrics are not supported, got \['accuracy'\]"),
    ({"weighted_metrics": ["accuracy"]}, "weighted_metrics are not supported"),
    ({"loss_weights": {"kl": 2.0}}, "loss_weights are not.*CrossModalityLoss its"),
])  # fmt: skip
def test_compile(model, given, message):
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", CrossModalityLoss(), **given)
    with pytest.raises(ValueError, match="loss_weights are not supported, got 2.0"):
        model.compile("sgd", CrossModalityLoss(), 2.0)
    model.compile("sgd", metrics=[])


@pytest.mark.parametrize("shape", [(2, 2), (2, 1, 1), ()])
def test_labels_of_another_shape(model, images, shape):
    """Where fit has no arrays to look at, the step finds them."""
    y = keras.ops.ones(shape, "int32")
    outputs = {m: {"logits": np.ones((2, 2))} for m in images}
    with pytest.raises(ValueError, match=r"y must hold one class.*got shape \("):
        model.compute_loss(images, y, outputs)


class Pairs(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, np.asarray(y)

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {m: x[:2] for m, x in self.x.items()}, self.y[2 * index : 2 * index + 2]


@pytest.mark.parametrize("label", [2, -1, 0.5])
@pytest.mark.parametrize("kind", ["tensor", "batches", "validation"])
def test_labels_of_no_class_wherever_they_come_from(model, images, label, kind):
    model.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    y = [1, label, 0, 1]
    x = {m: np.concatenate([x, x])[:4] for m, x in images.items()}
    given = {
        "tensor": ((x, keras.ops.convert_to_tensor(y)), {}),
        "batches": ((Pairs(x, y),), {}),
        "validation": ((x, np.array([0, 1, 0, 1])), {"validation_data": Pairs(x, y)}),
    }[kind]
    with pytest.raises(ValueError, match=r"y must hold class numbers from 0 to 1, got"):
        model.fit(*given[0], verbose=0, **given[1])


def test_labels_in_a_column(model, images):
    model.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    row, column = (
        model.evaluate(images, y, verbose=0, return_dict=True)
        for y in (LABEL, LABEL[:, None])
    )
    assert row == pytest.approx(column)


def test_a_model_without_a_view_says_so(model, images):
    copy = keras.models.clone_model(model)
    by_hand = CrossModalityModel(model.input, model.output)
    for lost in (copy, by_hand):
        lost.compile("sgd")
        for call in (lost.fit, lost.evaluate):
            with pytest.raises(ValueError, match=r"view must be given.*with_view"):
                call(images, LABEL, verbose=0)
    view = RandomView(data_format="channels_last")
    copy.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    copy.with_view(view).fit(images, LABEL, verbose=0)
    assert int(view.draws.value) == 1


def test_views_of_another_kind(model):
    copy = keras.models.clone_model(model)
    with pytest.raises(ValueError, match="view must be .*RandomView, got None"):
        copy.with_view(None)
    with pytest.raises(ValueError, match=r"view must have the data_format.*first"):
        copy.with_view(RandomView(data_format="channels_first"))
    view = RandomView(data_format="channels_last")
    with pytest.raises(ValueError, match="faults must be of"):
        copy.with_view(view, "unmasked")
    assert copy.with_view(view).view is view
