"""What tests/parity/test_acm.py leaves open: the formula at other sizes, and use."""

import keras
import numpy as np
import pytest
from helpers import assert_layer, from_format, to_format
from helpers_features import (
    CHANNELS,
    SIZES,
    assert_any_size,
    assert_bad_shapes,
    assert_contract,
    assert_formula,
    sigmoid,
    softmax,
    weights_of,
)

from keras_condattn import layers

axes = pytest.mark.parametrize("axes", [1, 2, 3])


def make(groups=2, **kwargs):
    return layers.ACM(groups, **kwargs)


def parts(rows, w, group):
    """K, Q, mu and P of one group of one image, (N, C/G)."""
    key, query = (softmax(rows @ w[n][group], 0) @ rows for n in ("key", "query"))
    mean = rows.mean(0)
    hidden = mean @ w["squeeze_kernel"][group] + w["squeeze_bias"][group]
    logits = np.maximum(hidden, 0) @ w["expand_kernel"][group]
    return key, query, mean, sigmoid(logits + w["expand_bias"][group])


FORMULAS = {
    "P(X+K-Q)": lambda x, k, q, p: p * (x + k - q),
    "X+(K-Q)": lambda x, k, q, p: x + k - q,
    "P(X+K)": lambda x, k, q, p: p * (x + k),
    "PX": lambda x, k, q, p: p * x,
}


def by_hand(x, w, groups=2, formula="P(X+K-Q)"):
    out, w = np.empty_like(x), stand_ins(w, groups)
    width = x.shape[-1] // groups
    for image, result in zip(x, out, strict=True):
        for g in range(groups):
            mine = slice(g * width, (g + 1) * width)
            key, query, _, gain = parts(image[..., mine].reshape(-1, width), w, g)
            result[..., mine] = FORMULAS[formula](image[..., mine], key, query, gain)
    return out


def stand_ins(w, groups):
    """Zeros for the weights that a formula does without, and `parts` asks for."""
    width = CHANNELS // groups
    shapes = {
        "key": (width,), "query": (width,), "squeeze_kernel": (width, 1),
        "squeeze_bias": (1,), "expand_kernel": (1, width), "expand_bias": (width,),
    }  # fmt: skip
    return {n: np.zeros((groups, *s)) for n, s in shapes.items()} | w


@axes
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_formula(groups, axes, data_format, rng):
    def of_groups(**kwargs):
        return make(groups, **kwargs)

    def formula(x, w):
        return by_hand(x, w, groups)

    assert_formula(of_groups, formula, data_format, rng, axes, training=True)


@pytest.mark.parametrize("formula", ["X+(K-Q)", "P(X+K)", "PX"])
def test_ablations(formula, data_format, rng, tmp_path):
    def less(**kwargs):
        return make(formula=formula, **kwargs)

    def reference(x, w):
        return by_hand(x, w, formula=formula)

    assert_formula(less, reference, data_format, rng)
    compares = formula == "X+(K-Q)"
    assert_contract(less, data_format, tmp_path, 2, losses=int(compares))
    layer = less(data_format="channels_last", return_attention=formula != "PX")
    output = layer(np.ones((2, 3, 4, CHANNELS), "float32"))
    names = {w.name for w in layer.weights}
    assert ("key" in names) == (formula != "PX")
    assert ("query" in names) == compares
    assert ("expand_bias" in names) == (not compares)
    if formula != "PX":
        assert len(output[1]) == 1 + compares


@axes
def test_contract(axes, data_format, tmp_path):
    assert_contract(make, data_format, tmp_path, axes, losses=1)


def test_contract_with_attention(data_format, tmp_path):
    shape = to_format(np.zeros((2, 3, 4, CHANNELS)), data_format).shape
    assert_layer(
        lambda: make(return_attention=True, data_format=data_format),
        [shape], tmp_path, losses=1, outputs=3,
    )  # fmt: skip


@axes
def test_any_size(axes, rng):
    assert_any_size(make, rng, axes)


@axes
def test_maps_lie_as_the_features_do(axes, data_format, rng):
    layer = make(return_attention=True, data_format=data_format)
    size = SIZES[axes][0]
    x = rng.normal(size=(2, *size, CHANNELS)).astype("float32")
    moved = to_format(x, data_format)
    specs = layer.compute_output_spec(keras.KerasTensor(moved.shape))
    _, maps = layer(moved)
    w = weights_of(layer)
    for spec, attention, name in zip(specs[1], maps, ("key", "query"), strict=True):
        assert tuple(spec.shape) == tuple(attention.shape)
        attention = from_format(attention, data_format)
        grouped = x.reshape(2, -1, 2, CHANNELS // 2)
        logits = np.einsum("bngc,gc->bng", grouped, w[name])
        expected = softmax(logits, 1).reshape(2, *size, 2)
        np.testing.assert_allclose(attention, expected, rtol=1e-5, atol=1e-7)


def test_orthogonality_is_of_centred_vectors_and_a_batch_mean(data_format, rng):
    x = 3 + rng.normal(size=(3, 3, 4, CHANNELS)).astype("float32")
    losses = {}
    for form in ("signed", "absolute"):
        layer = make(orthogonality=form, orthogonality_weight=0.5,
                     data_format=data_format)  # fmt: skip
        layer.build(to_format(x, data_format).shape)
        # Where K looks Q looks away: their product is negative.
        layer.query.assign(-layer.key)
        layer(to_format(x, data_format))
        losses[form] = float(keras.ops.convert_to_numpy(layer.losses[0]))
        w, width = weights_of(layer), CHANNELS // 2
        terms = []
        for image in x.astype("float64").reshape(3, -1, 2, width):
            found = [parts(image[:, g], w, g)[:3] for g in range(2)]
            terms.append(sum((k - m) @ (q - m) for k, q, m in found) / CHANNELS)
        expected = 0.5 * np.mean(terms)
        expected = abs(expected) if form == "absolute" else expected
        assert losses[form] == pytest.approx(expected, rel=1e-4)
    assert losses["signed"] < 0 < losses["absolute"]


def test_orthogonality_as_an_output(data_format, rng, tmp_path):
    x = to_format(rng.normal(size=(3, 3, 4, CHANNELS)).astype("float32"), data_format)
    layer = make(orthogonality="output", data_format=data_format)
    _, terms = layer(x)
    assert tuple(terms.shape) == (3,) and layer.losses == []
    adding = make(orthogonality="signed", data_format=data_format)
    adding.build(x.shape)
    adding.set_weights(layer.get_weights())
    # A batch of one each: the term of every image for itself.
    for i in range(3):
        adding(x[i : i + 1])
        expected = float(keras.ops.convert_to_numpy(adding.losses[-1])) / 0.1
        assert float(terms[i]) == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert_layer(
        lambda: make(orthogonality="output", return_attention=True,
                     data_format=data_format),
        [x.shape], tmp_path, outputs=4,
    )  # fmt: skip


def test_orthogonality_is_optional():
    layer = make(orthogonality_weight=0, data_format="channels_last")
    layer(np.ones((1, 4, 4, CHANNELS), "float32"))
    assert layer.losses == []


def test_initial_scale_is_the_released_one():
    layer = layers.ACM(32, data_format="channels_last")
    layer.build((None, 8, 8, 2048))
    for name, deviation in (
        ("key", (2 / 32) ** 0.5),
        ("query", (2 / 32) ** 0.5),
        ("squeeze_kernel", (2 / 1024) ** 0.5),
        ("expand_kernel", (2 / 2048) ** 0.5),
    ):
        assert weights_of(layer)[name].std() == pytest.approx(deviation, rel=0.05)
    # 138,304 as released, less the 64 biases that a softmax does not see.
    assert layer.count_params() == 138_304 - 64


def test_half_precision_with_a_large_offset(rng):
    """Sums and softmax of features far from zero, which bfloat16 could not tell."""
    x = 50 + rng.normal(size=(2, 16, 16, CHANNELS)).astype("float32")
    x = keras.ops.convert_to_numpy(
        keras.ops.cast(keras.ops.cast(x, "bfloat16"), "float32")
    )
    half = make(return_attention=True, dtype="mixed_bfloat16",
                data_format="channels_last")  # fmt: skip
    full = make(return_attention=True, data_format="channels_last")
    full.build(x.shape)
    half.build(x.shape)
    half.set_weights(full.get_weights())
    for actual, expected in zip(half(x)[1], full(x)[1], strict=True):
        actual = keras.ops.convert_to_numpy(keras.ops.cast(actual, "float32"))
        expected = keras.ops.convert_to_numpy(expected)
        np.testing.assert_allclose(actual, expected, rtol=0.01)
    losses = [float(keras.ops.convert_to_numpy(m.losses[0])) for m in (half, full)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_bad_input():
    assert_bad_shapes(make)


def test_groups_that_would_do():
    layer = layers.ACM(data_format="channels_last")
    with pytest.raises(
        ValueError,
        match=r"48 channels and the 24 hidden.*groups=32; groups that would do: "
        r"1, 2, 3, 4, 6, 8, 12, 24$",
    ):
        layer.build((None, 8, 8, 48))
    with pytest.raises(ValueError, match="reduction must leave.*48 channels.*got 49"):
        layers.ACM(1, 49, data_format="channels_last").build((None, 8, 8, 48))


def test_bad_arguments():
    for argument in ("groups", "reduction"):
        for value in (0, 2.0, True):
            with pytest.raises(ValueError, match=f"{argument} must be a positive int"):
                layers.ACM(**{argument: value})
    with pytest.raises(ValueError, match="orthogonality_weight.*negative, got -1"):
        layers.ACM(orthogonality_weight=-1)
    with pytest.raises(ValueError, match=r"orthogonality must be.*'abs'"):
        layers.ACM(orthogonality="abs")
    with pytest.raises(ValueError, match=r"formula must be.*'PX'.*got 'XP'"):
        layers.ACM(formula="XP")
    with pytest.raises(ValueError, match="'PX' has no maps"):
        layers.ACM(formula="PX", return_attention=True)
    with pytest.raises(ValueError, match=r"needs K and Q, got formula='P\(X\+K\)'"):
        layers.ACM(formula="P(X+K)", orthogonality="output")
