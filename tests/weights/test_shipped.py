"""The shipped weights do what their cards say, on scenes nobody trained on."""

import importlib.util

import numpy as np
import pytest
from helpers import to_format

import keras_condattn
from keras_condattn.applications import InsideEncoderDecoder
from keras_condattn.datasets import Batches, clevr_seg
from keras_condattn.metrics import dice_score

CLEVR = sorted(
    record.name
    for record in keras_condattn.list_weights("InsideEncoderDecoder")
    if record.name.startswith("clevr_seg_")
)
needs_renderer = pytest.mark.skipif(
    not (importlib.util.find_spec("mitsuba") and importlib.util.find_spec("PIL")),
    reason="mitsuba or Pillow is not installed: pip install 'keras-condattn[clevr]'",
)


def test_the_four_networks_are_there():
    networks = {"none", "film", "guiding", "inside"}
    assert {f"clevr_seg_{network}" for network in networks} <= set(CLEVR)


def test_every_record_builds_its_network():
    for record in keras_condattn.list_weights():
        factory = getattr(keras_condattn.applications, record.architecture)
        assert factory(weights=record.name).count_params() > 0


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clevr")
    # Another seed than the one of the training set: new scenes, same renderer.
    clevr_seg.render(folder, scenes=12, size=96, seed=1234, workers=1, progress=False)
    return clevr_seg.load(folder, pairs="all")


@needs_renderer
def test_inside_finds_what_is_asked_for(scenes):
    model = InsideEncoderDecoder(weights="clevr_seg_inside")
    batches = Batches(scenes, batch_size=len(scenes))
    (inputs, labels) = batches[0]
    assert dice_score(labels, model.predict(inputs, verbose=0)) > 0.75


@needs_renderer
def test_weights_agree_across_data_formats(scenes):
    item = scenes[0]
    outputs = []
    for data_format in ("channels_last", "channels_first"):
        model = InsideEncoderDecoder(
            weights="clevr_seg_inside", data_format=data_format
        )
        image = to_format(item["image"][None], data_format)
        vector = item["conditioning"][None]
        logits = model.predict_on_batch({"image": image, "conditioning": vector})
        outputs.append(np.squeeze(logits))
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-3)


def test_contradicting_arguments_are_refused_first():
    with pytest.raises(
        ValueError, match="conditioning='film' where they have 'inside'"
    ):
        InsideEncoderDecoder(weights="clevr_seg_inside", conditioning="film")
