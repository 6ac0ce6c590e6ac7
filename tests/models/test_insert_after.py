"""insert_after: places, values, structures, saving, and what it refuses."""

import re
import sys

import keras
import numpy as np
import pytest
from helpers import to_format
from keras import ops

import keras_condattn
from keras_condattn import insert_after, layers

# The function stands in the module's place in its package.
names_in = sys.modules["keras_condattn.models.insert_after"].names_in

# One network on each backend, the others where a Python start is cheapest.
NETWORKS = {
    "ResNet50": (r"conv5_block\d_3_bn", 3),
    "DenseNet121": ("pool4_bn|bn", 2),
    "EfficientNetB0": (r"block7\w_project_bn", 1),
    "ConvNeXtTiny": (r"convnext_tiny_stage_3_block_2_identity", 1),
}
if keras.backend.backend() != "torch":
    NETWORKS = {"ResNet50": NETWORKS["ResNet50"]}


@pytest.fixture
def channels_last():
    """keras.applications builds in the global format, and some know one only."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    yield
    keras.config.set_image_data_format(before)


def context(name, channels, data_format="channels_last"):
    """Starts as the identity, so that nothing may change."""
    return layers.GlobalContext(4, name=f"{name}_gc", data_format=data_format)


def small(data_format="channels_last"):
    """A dict in, a dict out, a layer called twice, an operation, a random state."""
    shape = (4, 6, 8) if data_format == "channels_last" else (8, 4, 6)
    inputs = {n: keras.Input(shape, name=n) for n in ("left", "right")}
    conv = keras.layers.Conv2D(8, 3, padding="same", data_format=data_format, name="a")
    norm = keras.layers.BatchNormalization(
        axis=-1 if data_format == "channels_last" else 1, name="norm"
    )
    x = norm(conv(inputs["left"]) + conv(inputs["right"]))
    x = keras.layers.Dropout(0.5, name="drop")(x)
    pool = keras.layers.GlobalAveragePooling2D(data_format=data_format, name="pool")
    outputs = {"map": x, "score": keras.layers.Dense(2, name="score")(pool(x))}
    model = keras.Model(inputs, outputs, name="small")
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1, w.shape) for w in model.get_weights()])
    return model


def sample(model):
    rng = np.random.default_rng(1)
    made = {
        x.name: rng.normal(size=(2, *x.shape[1:])).astype("float32")
        for x in model.inputs
    }
    return made if isinstance(model.input, dict) else next(iter(made.values()))


def assert_same_output(one, other, x):
    expected, got = one.predict_on_batch(x), other.predict_on_batch(x)
    keras.tree.assert_same_structure(expected, got)
    pairs = zip(keras.tree.flatten(expected), keras.tree.flatten(got), strict=True)
    for e, g in pairs:
        np.testing.assert_array_equal(e, g)


def leaves(model, prefix=""):
    """path -> layer, models within entered."""
    found = {}
    for layer in model.layers:
        inner = isinstance(layer, keras.Model)
        path = f"{prefix}{layer.name}"
        found |= leaves(layer, f"{path}/") if inner else {path: layer}
    return found


def assert_values_kept(old, new):
    """Bit for bit, layer by layer, and in memory of their own."""
    held, compared = leaves(new), 0
    for path, layer in leaves(old).items():
        for one, other in zip(layer.variables, held[path].variables, strict=True):
            assert one is not other
            arrays = [ops.convert_to_numpy(v) for v in (one, other)]
            np.testing.assert_array_equal(*arrays)
            compared += 1
    assert compared == len(old.variables)


def test_a_layer_called_twice_an_operation_and_a_dict(data_format):
    model = small(data_format)

    def make(name, channels):
        assert channels == 8
        return context(name, channels, data_format)

    new = insert_after(model, "a|norm", make)
    names = [x.name for x in new.layers]
    assert names.count("a_gc") == names.count("norm_gc") == 1
    assert [n for n in names if not n.endswith("_gc")] == [x.name for x in model.layers]
    assert list(new.input) == ["left", "right"] and list(new.output) == ["map", "score"]
    assert_values_kept(model, new)
    assert_same_output(model, new, sample(model))
    assert not any("_gc" in x.name for x in model.layers)


def test_the_new_layer_acts_after_every_call():
    model = small()
    new = insert_after(
        model, "a", lambda name, _: keras.layers.Rescaling(3.0, name=f"{name}_x3")
    )
    x = sample(model)
    sums = [
        keras.Model(m.input, m.get_layer("norm").input).predict_on_batch(x)
        for m in (model, new)
    ]
    np.testing.assert_allclose(sums[1], 3 * sums[0], rtol=1e-5)


def test_saves_and_loads_and_trains_alone(tmp_path):
    model = small()
    new = insert_after(model, "drop", lambda n, c: layers.ACM(
        4, name=f"{n}_acm", data_format="channels_last"))  # fmt: skip
    before = [np.array(w) for w in model.get_weights()]
    new.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert [x.name for x in loaded.layers] == [x.name for x in new.layers]
    x = sample(model)
    assert_same_output(new, loaded, x)
    new.compile("sgd", {"score": "mse"})
    y = {
        n: np.zeros(s, "float32") for n, s in (("score", (2, 2)), ("map", (2, 4, 6, 8)))
    }
    new.fit(x, y, verbose=0)
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    assert not np.array_equal(new.get_layer("a").kernel, model.get_layer("a").kernel)


def point(name, filters=8):
    """A layer that says by its data format where the channels are."""
    return keras.layers.Conv2D(filters, 1, data_format="channels_last", name=name)


def nested(share=False):
    """A frozen functional model and a Sequential in a model; a layer in both."""
    shared = point("shared")
    image = keras.Input((5, 5, 8), name="image")
    relu = keras.layers.ReLU(name="relu")
    inner = keras.Model(image, relu(shared(image)), name="body")
    inner.trainable = False
    head = keras.Sequential(
        [keras.Input((5, 5, 8)), point("relu"), point("dense")], name="head"
    )
    outer = keras.Input((5, 5, 8), name="outer")
    last = shared if share else point("last")
    return keras.Model(outer, last(head(inner(outer))), name="whole")


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        ("body/relu", ["body/relu_gc"]),
        ("head/relu", ["head/relu_gc"]),
        ("relu", ["body/relu_gc", "head/relu_gc"]),
        ("body", ["body_gc"]),
        ("head", ["head_gc"]),
        (re.compile("(?i)HEAD/.*"), ["head/relu_gc", "head/dense_gc"]),
    ],
)
def test_models_within_are_entered(pattern, places, tmp_path):
    model = nested()
    new = insert_after(model, pattern, context)
    paths = [path for path, _ in names_in(new) if path.endswith("_gc")]
    assert sorted(paths) == sorted(places)
    assert_same_output(model, new, sample(model))
    new.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert_same_output(new, loaded, sample(model))


def test_a_layer_of_two_models_stays_one():
    """Keras itself loses this when it saves, so that cannot be asked for here."""
    model = nested(share=True)
    new = insert_after(model, "shared", context)
    inner = new.get_layer("body")
    for name in ("shared", "shared_gc"):
        assert inner.get_layer(name) is new.get_layer(name)
    assert_same_output(model, new, sample(model))


def test_what_was_frozen_stays_frozen_and_the_new_layer_trains():
    new = insert_after(nested(), "body/relu", context)
    trained = {v.path.split("/")[-2] for v in new.get_layer("body").trainable_weights}
    assert "shared" not in trained and trained


def test_sequential_models():
    model = keras.Sequential(
        [keras.Input((4, 4, 8)), point("one"), point("two", 4)], name="stack"
    )
    new = insert_after(model, "two", context)
    assert isinstance(new, keras.Sequential)
    assert [x.name for x in new.layers] == ["one", "two", "two_gc"]
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype("float32")
    assert_same_output(model, new, x)


def test_our_own_networks_keep_their_class_and_preprocessing():
    model = keras_condattn.applications.InsideUNet(
        (8, 8, 1), 2, 1, filters=4, depth=1, data_format="channels_last"
    )
    model.preprocessing = {"size": 8}
    new = insert_after(model, "bottleneck_act_2", context)
    assert type(new) is type(model) and new.preprocessing == {"size": 8}
    assert_same_output(model, new, sample(model))


@pytest.mark.parametrize("name", NETWORKS)
def test_keras_applications(name, channels_last):
    pattern, count = NETWORKS[name]
    make = getattr(keras.applications, name)
    model = make(weights=None, include_top=False, input_shape=(32, 32, 3))
    new = insert_after(model, pattern, context)
    inserted = [x for x in new.layers if x.name.endswith("_gc")]
    assert len(inserted) == count
    for layer in inserted:
        assert layer.channels == layer.output.shape[-1]
    assert_values_kept(model, new)
    assert_same_output(model, new, sample(model))


# -- what it refuses --------------------------------------------------------------


def test_a_pattern_without_a_match_names_what_comes_near():
    with pytest.raises(ValueError, match=r"'nrom' matches.*of 'small'.*'norm'"):
        insert_after(small(), "nrom", context)
    with pytest.raises(ValueError, match="'left' matches"):  # inputs do not count
        insert_after(small(), "left", context)
    with pytest.raises(ValueError, match=r"pattern must be a regular.*'\('"):
        insert_after(small(), "(", context)


def test_models_without_a_graph_are_told_what_to_do():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="Mine is a subclassed model.*model.call"):
        insert_after(Mine(), ".*", context)
    with pytest.raises(ValueError, match="no input shape yet"):
        insert_after(keras.Sequential([keras.layers.Dense(2)]), ".*", context)


def wrong(kind):
    return {
        "no layer": lambda n, c: n,
        "its own name": lambda n, c: keras.layers.ReLU(name=n),
        "another shape": lambda n, c: keras.layers.Dense(3, name=f"{n}_new"),
        "another format": lambda n, c: context(n, c, "channels_first"),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no layer", "make_layer must return a keras layer, got 'norm'"),
        ("its own name", "must have a name of its own, such as 'norm_attention'"),
        ("another shape", r"must put out a tensor.*\(None, 4, 6, 8\)"),
        ("another format", "is channels_first where 'norm' puts out channels_last"),
    ],
)
def test_a_layer_that_does_not_fit(kind, message):
    with pytest.raises((ValueError, TypeError), match=message):
        insert_after(small(), "norm", wrong(kind))


def test_a_layer_with_several_outputs():
    x = keras.Input((4, 4, 8))
    acm = layers.ACM(4, return_attention=True, data_format="channels_last", name="acm")
    model = keras.Model(x, acm(x)[0])
    with pytest.raises(ValueError, match="'acm' puts out tuple"):
        insert_after(model, "acm", context)


def similar(name, channels):
    return layers.AttentiveSimilarity(
        1, data_format="channels_last", name=f"{name}_similar"
    )


def test_a_similarity_anywhere_in_a_network_teaches_it(channels_last):
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(4, 3, 2, padding="same", name="deep")(image)
    x = keras.layers.UpSampling2D(2)(x)
    plain = keras.Model(image, keras.layers.Conv2D(2, 1, name="logits")(x))
    new = insert_after(plain, "deep", similar)
    assert new.output_shape == (None, 8, 8, 2)
    outputs = {
        "mask": new.output,
        "similarity": new.get_layer("deep_similar").output[1],
    }
    assert outputs["similarity"].shape == (None, 4, 4, 9)
    model = keras_condattn.models.ScribbleModel(new.inputs[0], outputs)
    model.compile("sgd", keras_condattn.losses.ScribbleLoss(2, similarity_radius=1))
    scribble = np.full((2, 8, 8), 2)
    scribble[:, 2, 1:5], scribble[:, 6, 1:5] = 0, 1
    pixels = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    before = new.get_layer("deep_similar").get_weights()
    history = model.fit(pixels, scribble, verbose=0).history
    assert history["attentive_similarity"][0] > 0
    for old, now in zip(
        before, new.get_layer("deep_similar").get_weights(), strict=True
    ):
        assert not np.array_equal(old, now)
    chain = keras.Sequential([image, keras.layers.Conv2D(4, 1, name="a")], name="chain")
    with pytest.raises(
        ValueError, match=r"'a_similar' puts out several.*'chain' is Se"
    ):
        insert_after(chain, "a", similar)


def test_channels_first_by_the_model_s_own_layers(data_format):
    x = to_format(np.ones((1, 4, 6, 3), "float32"), data_format)
    image = keras.Input(x.shape[1:])
    conv = keras.layers.Conv2D(5, 1, data_format=data_format)
    y = keras.layers.ReLU(name="relu")(conv(image))
    seen = []

    def make(name, channels):
        seen.append(channels)
        return keras.layers.ReLU(name=f"{name}_new")

    insert_after(keras.Model(image, y), "relu", make)
    assert seen == [5]
