# %% [markdown]
# # Conditioning any Keras model with FiLM
#
# Often the right answer depends on a fact beside the image: the scanner, the phase of
# the heart, the question asked. FiLM takes that fact as a vector and gives every
# channel of a feature map a scale and a shift computed from it. It is one layer with
# two arguments, `FiLM()(features, conditioning)`, and it fits into any Keras model.
#
# This guide puts it into a model of your own, a `keras.applications` backbone and a
# layer of your own. It needs matplotlib, no data and no GPU.

# %%
import importlib.util
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_condattn
from keras_condattn.datasets import Batches
from keras_condattn.layers import INSIDE, FiLM

SMALL = os.environ.get("KERAS_CONDATTN_GUIDE_SIZE") == "small"
SIDE = 32
IMAGES, EPOCHS = (64, 1) if SMALL else (2000, 5)
OUTPUTS = pathlib.Path("outputs/guides/film_in_any_model")
OUTPUTS.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
# ## A task that the image alone cannot solve
#
# Each image shows one figure: a square, a disc or a cross, in red, green or blue. The
# condition, one-hot, says which property is asked for. The answer is 0, 1 or 2 either
# way, so the same image has two right answers.
#
# An item is a plain dict of NumPy arrays with the channels last. Any object with a
# length and such items is a source; here, a list.

# %%
PROPERTIES = ("shape", "colour")


def figure(shape, colour, rng):
    """A picture (SIDE, SIDE, 3) of one figure at a random place, with some noise."""
    y, x = np.mgrid[:SIDE, :SIDE] - rng.uniform(0.35, 0.65, (2, 1, 1)) * SIDE
    y, x, r = abs(y), abs(x), SIDE / 5
    inside = (
        np.maximum(x, y) < r,
        np.hypot(x, y) < r,
        (np.minimum(x, y) < r / 3) & (np.maximum(x, y) < r),
    )[shape]
    image = rng.uniform(0, 0.3, (SIDE, SIDE, 3))
    image[inside, colour] += 0.7
    return image.astype("float32")


def make_items(count, seed):
    """Dicts of `image`, `conditioning` and `label`."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        properties = rng.integers(3, size=2)
        asked = rng.integers(2)
        yield {
            "image": figure(*properties, rng),
            "conditioning": np.eye(2, dtype="float32")[asked],
            "label": properties[asked],
        }


items = list(make_items(IMAGES, seed=1))
unseen = list(make_items(IMAGES // 4, seed=2))

fig, axes = plt.subplots(1, 6, figsize=(10, 1.95), layout="constrained")
for ax, item in zip(axes, items, strict=False):
    asked = PROPERTIES[item["conditioning"].argmax()]
    ax.imshow(item["image"])
    ax.set(title=f"{asked}: {item['label']}", xticks=[], yticks=[])
fig.savefig(OUTPUTS / "task.png", dpi=120)

# %% [markdown]
# `Batches` makes a source into what `fit` takes. It moves the channels to the front
# where `keras.config.image_data_format()` says so, and it refuses NaN and names the
# item. The input shape comes from a batch, so this guide runs in both data formats.

# %%
train = Batches(items, batch_size=32, shuffle=True)
test = Batches(unseen, batch_size=32)
inputs, labels = train[0]
image_shape = inputs["image"].shape[1:]
print({name: array.shape for name, array in inputs.items()}, labels.shape)

# %% [markdown]
# ## In a model of your own
#
# Write the network as ever, and hand the features and the vector to `FiLM` after a
# convolution and its normalisation. `keras.Model` works. `ConditionedModel` is one that
# also looks for NaN in the conditioning arrays it is given, before it uses them: inside
# a compiled step nothing can be raised, and a NaN would end up in every weight.


# %%
def network(conditioned):
    """A small classifier; with `conditioned=False` it reads the image alone."""
    image = keras.Input(image_shape, name="image")
    vector = keras.Input((2,), name="conditioning")
    x = image
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, padding="same")(x)
        x = keras.layers.BatchNormalization()(x)
        x = FiLM()(x, vector) if conditioned else x
        x = keras.layers.Activation("relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    logits = keras.layers.Dense(3)(keras.layers.GlobalMaxPooling2D()(x))
    if not conditioned:
        return keras.Model(image, logits)
    return keras_condattn.models.ConditionedModel(
        {"image": image, "conditioning": vector}, logits
    )


def compiled(model):
    model.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


# %% [markdown]
# Without the condition, the best a network can do is to answer one of the properties
# always. It is right when that one was asked for, and by luck in a third of the other
# cases: two in three.

# %%
model = compiled(network(conditioned=True))
model.fit(train, epochs=EPOCHS, verbose=2)

blind = compiled(network(conditioned=False))
blind.fit(Batches(items, inputs="image", shuffle=True), epochs=EPOCHS, verbose=0)

blind_test = Batches(unseen, inputs="image")
accuracy = {
    "with FiLM": model.evaluate(test, verbose=0)[1],
    "without the condition": blind.evaluate(blind_test, verbose=0)[1],
    "best possible without it": 1 / 2 + 1 / 2 * 1 / 3,
}
for name, value in accuracy.items():
    print(f"{name:25} {value:.3f}")

# %% [markdown]
# ## One batch, many conditions
#
# The vector belongs to the image, not to the batch. Here the first images are asked
# for both properties in one batch. If the condition of the first image were used for
# all, which is the classic bug of this kind of code, the two rows would be equal.

# %%
first = inputs["image"][:8]
both = {
    "image": np.concatenate([first, first]),
    "conditioning": np.repeat(np.eye(2, dtype="float32"), len(first), axis=0),
}
answers = model.predict(both, verbose=0).argmax(-1).reshape(2, -1)
for asked, row in zip(PROPERTIES, answers, strict=True):
    print(f"{asked:7}", row)

# %% [markdown]
# Several facts about one image go into one vector, one after the other: one-hot codes
# for kinds, numbers scaled to about -1 to 1. A value that is not known must not be
# NaN. Fill it in, and add an entry that says whether it was known.
#
# ## In a keras.applications backbone
#
# A backbone is a graph of named layers, so it can be cut in two wherever a single
# tensor crosses: in VGG anywhere, in a ResNet after an addition. Take the features at
# the cut, put the layer on them, and call the rest. All weights stay the backbone's.
# With pretrained weights take `identity_start=True`: the layer starts as `y = x`, so
# the network starts as good as it was. (`weights=None` only spares you a download.)

# %%
image = keras.Input(image_shape, name="image")
vector = keras.Input((2,), name="conditioning")
backbone = keras.applications.VGG16(input_tensor=image, include_top=False, weights=None)
cut = backbone.get_layer("block3_pool").output
rest = keras.Model(cut, backbone.output)
features = rest(FiLM(identity_start=True)(cut, vector))
steered = keras.Model({"image": image, "conditioning": vector}, features)

before = backbone.predict(first, verbose=0)
after = steered.predict(
    {"image": first, "conditioning": both["conditioning"][:8]}, verbose=0
)
print("features at", cut.shape, "changed at the start by", abs(after - before).max())

# %% [markdown]
# To leave the backbone whole, condition what it gives, before the pooling, and put a
# head on it. `INSIDE` is called in the same way as `FiLM`, here and everywhere.

# %%
x = INSIDE(relative_sigma=True, max_sigma=1.0)(backbone.output, vector)
logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
headed = keras.Model({"image": image, "conditioning": vector}, logits)
print("logits", headed.output_shape)

# %% [markdown]
# ## In a layer of your own
#
# A subclassed layer holds FiLM as it holds any layer. Build it with two shapes, call
# it with two tensors, and register the class so that models with it can be loaded.


# %%
@keras.saving.register_keras_serializable("guide")
class ConditionedBlock(keras.layers.Layer):
    """Convolution, FiLM, ReLU."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv = keras.layers.Conv2D(filters, 3, padding="same")
        self.film = FiLM(identity_start=True)

    def build(self, features_shape, conditioning_shape):
        self.conv.build(features_shape)
        self.film.build(
            self.conv.compute_output_shape(features_shape), conditioning_shape
        )

    def call(self, features, conditioning):
        return keras.ops.relu(self.film(self.conv(features), conditioning))

    def get_config(self):
        return super().get_config() | {"filters": self.filters}


own = keras.Model(
    {"image": image, "conditioning": vector}, ConditionedBlock(8)(image, vector)
)

# %% [markdown]
# ## Saving and loading
#
# `.keras` files hold the layers by their registered names. Import `keras_condattn`
# before `load_model`, and nothing else is needed.

# %%
for saved in (model, own):
    saved.save(OUTPUTS / "model.keras")
    loaded = keras.saving.load_model(OUTPUTS / "model.keras")
    change = saved.predict(both, verbose=0) - loaded.predict(both, verbose=0)
    print(f"{type(saved).__name__}: changed by loading: {abs(change).max():.1g}")

# %% [markdown]
# ## How it starts: `gain` and `identity_start`
#
# The default is `y = (1 - gamma) x + beta`, as released with INSIDE: a fresh layer
# passes what comes in, roughly. `gain="gamma"` is `y = gamma x + beta`, as FiLM's paper
# writes it: a fresh layer passes a small part. Both can learn the same, and with
# `identity_start=True` both start at `y = x`. Signals work like images: here (B, T, C).

# %%
signal = np.random.default_rng(0).normal(size=(2, 100, 16)).astype("float32")
print("gain, identity_start, spread of y beside x")
for gain in ("one_minus_gamma", "gamma"):
    for identity_start in (False, True):
        layer = FiLM(
            gain=gain, identity_start=identity_start, data_format="channels_last"
        )
        y = keras.ops.convert_to_numpy(layer(signal, np.eye(2)))
        print(f"{gain:15} {identity_start!s:5} {y.std() / signal.std():.2f}")

# %% [markdown]
# ## Other ways to feed it
#
# `fit` wants pairs `(inputs, target)` with the inputs as a dict. A torch `DataLoader`
# and `grain` give them from the same items, once a function says what is input and
# what is target. Here the first runs under the torch backend, the second wherever
# grain is installed. Both know nothing of data formats, so `pair` moves the channels.


# %%
def pair(item):
    """The inputs and the target of one item."""
    image = item["image"]
    if keras.config.image_data_format() == "channels_first":
        image = np.moveaxis(image, -1, 0)
    return {"image": image, "conditioning": item["conditioning"]}, item["label"]


if keras.backend.backend() == "torch":
    from torch.utils.data import DataLoader

    loader = DataLoader([pair(item) for item in items], batch_size=32, shuffle=True)
    model.fit(loader, shuffle=False, verbose=2)

if importlib.util.find_spec("grain"):
    import grain

    data = grain.MapDataset.source(items).shuffle(seed=0).map(pair).batch(32).repeat()
    steps = len(items) // 32
    model.fit(data.to_iter_dataset(), steps_per_epoch=steps, shuffle=False, verbose=2)

# %% [markdown]
# FiLM chooses *what* passes: it treats every position of a channel alike. Where the
# answer depends on a *place* in the image, take `INSIDE`, and read
# `steering_with_inside.py` next.
