"""Gated CRF and attentive similarity against the numbers of the released code."""

import json

import keras
import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from keras import ops

from keras_condattn import losses


@pytest.fixture
def case(golden, data_format):
    case = dict(golden("scribble_losses_public.npz"))
    params = json.loads(str(case.pop("params")))
    window = {"radius": params["radius"], "sigma_xy": float(params["sigma_xy"])}
    axis = 1 if data_format == "channels_first" else -1
    logits = to_format(case["logits"], data_format)
    image = to_format(case["image"], data_format)
    unlabelled = case["scribble"] == params["ignore_index"]
    return case | {
        "window": window, "axis": axis, "logits": logits, "image": image,
        "unlabelled": unlabelled, "ignore": params["ignore_index"],
        "sigma_image": params["sigma_image"],
    }  # fmt: skip


def crf(case, unlabelled, data_format):
    def loss(logits):
        return losses.gated_crf(
            ops.softmax(logits, axis=case["axis"]), case["image"], unlabelled,
            sigma_image=case["sigma_image"], data_format=data_format, **case["window"],
        )  # fmt: skip

    return value_and_gradients(loss, case["logits"])


def test_gated_crf(case, data_format):
    value, (gradient,) = crf(case, case["unlabelled"], data_format)
    assert float(value) == pytest.approx(
        float(case["gated_crf_masked_in_image"]), rel=1e-5
    )
    assert_close(from_format(gradient, data_format), case["gated_crf_masked_grad"])
    value, _ = crf(case, None, data_format)
    assert float(value) == pytest.approx(float(case["gated_crf_in_image"]), rel=1e-5)


def similar(case):
    """The golden's (N, N) similarity as the neighbours of each pixel."""
    full, radius = case["similarity"], case["window"]["radius"]
    side = int(np.sqrt(full.shape[1]))
    window = np.zeros((len(full), side, side, (2 * radius + 1) ** 2), "float32")
    for y, x in np.ndindex(side, side):
        for place, (dy, dx) in enumerate(
            (dy, dx)
            for dy in range(-radius, radius + 1)
            for dx in range(-radius, radius + 1)
        ):
            if 0 <= y + dy < side and 0 <= x + dx < side and (dy or dx):
                other = (y + dy) * side + x + dx
                window[:, y, x, place] = full[:, y * side + x, other]
    return window


@pytest.mark.parametrize("excluding", [False, True])
def test_attentive_similarity(case, data_format, excluding):
    def loss(logits, similarity):
        return losses.attentive_similarity(
            ops.softmax(logits, axis=case["axis"]), similarity,
            single_class=case["single_class"] if excluding else None,
            data_format=data_format, **case["window"],
        )  # fmt: skip

    window = similar(case)
    value, (to_logits, to_window) = value_and_gradients(loss, case["logits"], window)
    name = "attentive_similarity" + "_excluding_single_class" * excluding
    assert float(value) == pytest.approx(float(case[name]), rel=1e-5)
    if excluding:
        assert np.abs(to_window[0]).max() == 0 < np.abs(to_window[1]).max()
        return
    expected = case["attentive_similarity_grad_logits"]
    assert_close(from_format(to_logits, data_format), expected)
    full = case | {"similarity": case["attentive_similarity_grad_similarity"]}
    assert_close(np.where(window != 0, to_window, 0), similar(full))


def test_partial_cross_entropy_is_keras(case):
    """What the package does not write again."""
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=case["ignore"]
    )
    # On TensorFlow and JAX this loss knows the last axis only (Keras 3.15).
    value = loss(case["scribble"], np.moveaxis(case["logits"], case["axis"], -1))
    assert float(value) == pytest.approx(float(case["partial_ce"]), rel=1e-5)
