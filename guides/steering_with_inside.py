# %% [markdown]
# # Steering a segmentation with INSIDE
#
# Sometimes one image has several right answers, and a fact that is not in the image
# says which one is wanted: the phase of the heart, the place of a slice in the body,
# the wish of a reader. INSIDE lets such a fact, given as a vector, place a soft window
# over every channel of a feature map. The network then looks where the fact points.
#
# We render a small data set, train three networks that differ in one argument, look at
# the windows, and end with how to do this on your own images. It needs the extra
# `keras-condattn[clevr]` and matplotlib, and takes a few minutes on two cores.

# %%
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_condattn
from keras_condattn.applications import InsideEncoderDecoder, InsideUNet
from keras_condattn.datasets import Batches, clevr_seg
from keras_condattn.metrics import DiceScore

SMALL = os.environ.get("KERAS_CONDATTN_GUIDE_SIZE") == "small"
SCENES, RENDERED, SIZE, EPOCHS = (13, 32, 32, 1) if SMALL else (600, 96, 64, 20)
WEIGHTS = None if SMALL else "clevr_seg_inside"  # None: a network that has not learnt
OUTPUTS = pathlib.Path("outputs/guides/steering_with_inside")
OUTPUTS.mkdir(parents=True, exist_ok=True)
CHANNELS_FIRST = keras.config.image_data_format() == "channels_first"

# %% [markdown]
# ## Scenes
#
# `clevr_seg.render` makes pictures of coloured solids with a mask for each. It shows
# its progress, and a second run reuses what is there. Splits go by file name: 72 %
# for training, 8 % for validation, 20 % for testing.

# %%
folder = clevr_seg.render(
    f"outputs/guides/clevr_{RENDERED}px", scenes=SCENES, size=RENDERED, seed=7
)
scenes = clevr_seg.load(folder, "test", size=SIZE)
print(len(scenes), "test images, asked for one of", scenes.conditions)

# %% [markdown]
# An item is a dict of arrays. `steer(i)` gives the same image under every condition:
# here, all objects whose centre is in the quadrant asked for. One image, four masks.
# No network that sees the image alone can tell which is meant.


# %%


def most_answers(source):
    """The image with objects in the most quadrants, under every condition."""
    steered = (source.steer(i) for i in range(len(source)))
    return max(steered, key=lambda four: sum(item["label"].any() for item in four))


four = most_answers(scenes)
for name, array in four[0].items():
    print(name, array if isinstance(array, str) else (array.shape, array.dtype))

fig, axes = plt.subplots(1, 4, figsize=(10, 2.9), layout="constrained")
for ax, item, name in zip(axes, four, scenes.conditions, strict=True):
    ax.imshow(item["image"] * (0.35 + 0.65 * item["label"]))
    vector = item["conditioning"].astype(int).tolist()
    ax.set(title=f"{name}\n{vector}", xticks=[], yticks=[])
fig.savefig(OUTPUTS / "one_image_four_answers.png", dpi=120)

# %% [markdown]
# ## From items to batches
#
# `Batches` makes any object with a length and such items into what `fit` takes. With
# `pairs="fresh"`, a training image is asked for another quadrant in every epoch.
# Validation and test images keep one quadrant each, by the paper's rule. `drop_last`
# keeps one batch shape, so that JAX compiles the training step once.


# %%
def batches(split, inputs=("image", "conditioning")):
    fresh = split == "train"
    source = clevr_seg.load(
        folder, split, pairs="fresh" if fresh else "fixed", size=SIZE, cache=True
    )
    return Batches(source, 8, inputs, shuffle=fresh, drop_last=fresh)


inputs, masks = batches("train")[0]
image_shape = inputs["image"].shape[1:]
print(image_shape, masks.shape, inputs["conditioning"][:3].tolist())

# %% [markdown]
# ## The network
#
# `InsideEncoderDecoder` is the network of the paper's experiment. It has no skips, so
# all that reaches the mask has passed the conditioning. It emits logits.

# %%
keras.utils.set_random_seed(0)
model = InsideEncoderDecoder(image_shape, conditioning_size=4, conditioning="inside")
print(f"{model.name}: {model.count_params():,} parameters")

# %% [markdown]
# ## The loss, and why it is a sum
#
# Most pixels are background, so we take the focal loss, as the paper does, summed over
# pixels. INSIDE adds a penalty on the widths of its windows to the model's losses. Its
# size does not depend on the number of pixels, so beside a mean over pixels it would
# rule the training. For a mean, or a Dice loss, switch it off:
# `conditioning_options={"penalty": 0.0}`.
#
# Mind `axis`. Keras takes a mean over it before any sum, by default over the last axis,
# which is the channel only where channels come last.


# %%
def focal_loss(reduction="sum"):
    return keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True,
        from_logits=True,
        reduction=reduction,
        axis=1 if CHANNELS_FIRST else -1,
    )


# %% [markdown]
# `DiceScore` is the mean over images, 1 for perfect masks, and takes logits. Hard Dice
# counts pixels above one half; soft Dice uses the probabilities. Give training time: at
# first every pixel is called background, the loss falls and Dice stays near 0.


# %%
def compiled(model):
    model.compile(
        keras.optimizers.Adam(3e-3),
        focal_loss(),
        metrics=[DiceScore(), DiceScore(threshold=None, name="soft_dice")],
    )
    return model


compiled(model).fit(
    batches("train"), validation_data=batches("validation"), epochs=EPOCHS, verbose=2
)

logits = model(inputs)
losses = {
    "focal loss, summed": focal_loss()(masks, logits),
    "focal loss, mean": focal_loss("mean")(masks, logits),
    "penalty": sum(model.losses),
}
for name, value in losses.items():
    print(f"{name:20} {keras.ops.convert_to_numpy(value):9.4f}")

# %% [markdown]
# ## Does it need INSIDE?
#
# The same recipe without conditioning, and with FiLM, which scales and shifts each
# channel but treats all positions alike. A network with `conditioning=None` reads the
# image alone, so its batches have one input.


# %%
def trained(conditioning):
    keras.utils.set_random_seed(0)
    inputs = ("image", "conditioning") if conditioning else "image"
    network = compiled(InsideEncoderDecoder(image_shape, conditioning=conditioning))
    network.fit(batches("train", inputs), epochs=EPOCHS, verbose=0)
    return network.evaluate(batches("test", inputs), verbose=0, return_dict=True)


scores = {str(name): trained(name) for name in (None, "film")}
scores["inside"] = model.evaluate(batches("test"), verbose=0, return_dict=True)
for name, score in scores.items():
    print(f"{name:7} hard {score['dice']:.3f}  soft {score['soft_dice']:.3f}")

# %% [markdown]
# Without conditioning, an object is wanted in about one case of four. Its probability
# rarely passes one half, so hard Dice is near 0, and soft Dice shows the hedging. It is
# not a training failure: it is the best answer to a question that was not asked.
#
# ## Shipped weights
#
# `keras_condattn.list_weights()` lists what is trained already. A registered name
# brings its configuration. These were trained longer, on more scenes of 96 pixels; our
# test scenes were rendered with another seed, so they are new to them.

# %%
print(keras_condattn.list_weights("InsideEncoderDecoder"))
large = clevr_seg.load(folder, "test")
shape = Batches(large, batch_size=1)[0][0]["image"].shape[1:]
shipped = compiled(InsideEncoderDecoder(shape, weights=WEIGHTS))
print(shipped.evaluate(Batches(large), verbose=0, return_dict=True))

# %% [markdown]
# ## Looking at the windows
#
# The same network, built with `return_attention=True`, also gives the windows: one for
# each channel, at a quarter of the resolution. The weights are the same, so
# `set_weights` moves them over. `attention_bottleneck` is named after its level.


# %%
def pictures(x):
    """To NumPy, channels last, as matplotlib wants them."""
    x = keras.ops.convert_to_numpy(x)
    return np.moveaxis(x, 1, -1) if CHANNELS_FIRST else x


viewer = InsideEncoderDecoder(shape, return_attention=True)
viewer.set_weights(shipped.get_weights())
four = most_answers(large)
seen = viewer.predict(Batches(four, targets=None), verbose=0)
windows, logits = pictures(seen["attention_bottleneck"]), pictures(seen["mask"])
print("windows", windows.shape, "logits", logits.shape)

fig, axes = plt.subplots(3, 4, figsize=(9, 7.2), layout="constrained")
for k, item in enumerate(four):
    axes[0, k].imshow(item["image"])
    axes[0, k].contour(item["label"][..., 0], [0.5], colors="white")
    axes[0, k].set_title(large.conditions[k])
    axes[1, k].imshow(1 / (1 + np.exp(-logits[k, ..., 0])), vmin=0, vmax=1)
    axes[2, k].imshow(windows[k].mean(axis=-1), vmin=0, vmax=windows.mean(-1).max())
for ax, name in zip(axes[:, 0], ("wanted", "predicted", "mean window"), strict=True):
    ax.set_ylabel(name)
plt.setp(axes, xticks=[], yticks=[])
fig.savefig(OUTPUTS / "steered.png", dpi=120)

# %% [markdown]
# ## On your own data
#
# Two things are yours to write. One is a source: any object with a length, whose
# `source[i]` is a dict of `"image"` (H, W, C), `"label"` (H, W, 1), `"conditioning"`
# (Z,), and best also an `"id"`, by which errors name the item.
#
# The other is what goes into the vector. Use one-hot codes for kinds, a position as a
# fraction from 0 to 1, other numbers scaled to about -1 to 1. A value you do not know
# cannot be NaN. Fill it in, and add an entry that says whether it was known.


# %%
def conditioning(phase, slice_number, slices, weight=None):
    """Heart phase, place in the volume, and the patient's weight in kg, if known."""
    return np.array(
        [
            phase == "end_diastole",
            phase == "end_systole",
            slice_number / (slices - 1),
            0.0 if weight is None else (weight - 75) / 15,
            weight is not None,
        ],
        "float32",
    )


print(conditioning("end_systole", 3, 10), conditioning("end_systole", 3, 10, 60))

# %% [markdown]
# What is wrong is refused with a reason, by `fit`, `evaluate` and `predict` for arrays,
# and by `Batches` for items, by name. Inside a compiled step nothing can be raised, so
# do not count on the layer alone.

# %%
try:
    model.predict({**inputs, "conditioning": np.full((len(masks), 4), np.nan)})
except ValueError as error:
    print(error)

# %% [markdown]
# `InsideUNet` is the network for your own data: one to three spatial axes, any number
# of classes, and conditioning where `condition_at` says. With skips, whatever does not
# pass a conditioned level reaches the mask unsteered, so condition decoder levels too.
#
# `max_sigma` is in pixels of the feature map at that level. 3.5 pixels, the default,
# are a large part of a small map and a small part of a large one. At several levels, or
# for images of several sizes, take `relative_sigma=True`: then it is a fraction of each
# axis. Here is a volume, conditioned at two levels.

# %%
volume = InsideUNet(
    (16, 32, 32, 1),
    conditioning_size=5,
    classes=4,
    condition_at=("bottleneck", "decoder_s1"),
    conditioning_options={"relative_sigma": True, "max_sigma": 0.5, "penalty": 0.0},
    return_attention=True,
    filters=(8, 8),
    data_format="channels_last",
)
for name, output in volume.output.items():
    print(f"{name:22}", output.shape)

# %% [markdown]
# ## Saving, and mixed precision
#
# A `.keras` file holds everything; import `keras_condattn` before you load it. Under
# `mixed_bfloat16` the small network that places the windows stays in float32, because a
# rounded position is off by pixels, and logits leave the model in float32.

# %%
model.save(OUTPUTS / "steered.keras")
loaded = keras.saving.load_model(OUTPUTS / "steered.keras")
score = loaded.evaluate(batches("test"), verbose=0, return_dict=True)
print(f"soft Dice after loading: {score['soft_dice']:.3f}")

keras.config.set_dtype_policy("mixed_bfloat16")
mixed = InsideEncoderDecoder(image_shape)
keras.config.set_dtype_policy("float32")
mixed.set_weights(model.get_weights())
print("hard Dice, bfloat16:", compiled(mixed).evaluate(batches("test"), verbose=0)[1])

# %% [markdown]
# To condition a network that is not a U-Net, read `film_in_any_model.py` next.
