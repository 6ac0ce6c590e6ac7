# %% [markdown]
# # Attention in any model: one line, and a look at what it compares
#
# A radiologist who doubts a shadow looks at the other lung. Attend-and-Compare (ACM)
# does that in a network: one attention finds what is to be judged (K), another what it
# is to be compared with (Q), and the difference is added to the features. Like squeeze
# and excitation (SE) and the other modules here, it goes from features to features, so
# it fits behind any layer of any functional model.
#
# The first half puts SE, ACM and INSIDE into a `keras.applications` network. The second
# trains a small classifier to find nodules in drawn radiographs and shows what it
# attends to. It needs the extra `keras-condattn[medical]` (with Pillow) and matplotlib,
# no data, and about six minutes on two cores.

# %%
import os
import pathlib
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_condattn
from keras_condattn.datasets import Batches, chest_xray14
from keras_condattn.datasets.nodules import Nodules
from keras_condattn.layers import ACM, INSIDE, SqueezeExcitation
from keras_condattn.metrics import jafroc_from_maps, mean_auc

SMALL = os.environ.get("KERAS_CONDATTN_GUIDE_SIZE") == "small"
IMAGES, SIDE, EPOCHS, WIDTH = (40, 64, 1, 0.125) if SMALL else (500, 256, 30, 0.25)
OUTPUTS = pathlib.Path("outputs/guides/attention_in_any_model")
OUTPUTS.mkdir(parents=True, exist_ok=True)
CHANNELS_FIRST = keras.config.image_data_format() == "channels_first"
keras.utils.set_random_seed(0)


def shaped(height, width, channels):
    """An image shape in the data format of this session."""
    return (channels, height, width) if CHANNELS_FIRST else (height, width, channels)


# %% [markdown]
# ## One line
#
# `insert_after(model, pattern, make_layer)` copies a functional model and puts a layer
# after every layer whose whole name matches the pattern. `make_layer` gets the name and
# the channels of what it follows. All weights come along, bit for bit, so this is for
# pretrained networks; `weights=None` only spares you a download here. In a ResNet take
# `r"conv\d_block\d+_3_bn"`, the last normalisation of each block before the sum.

# %%
backbone = keras.applications.MobileNetV2(
    shaped(64, 64, 3), alpha=0.35, include_top=False, weights=None
)
PLACES = r"block_\d+_project_BN"

with_se = keras_condattn.insert_after(
    backbone, PLACES, lambda name, channels: SqueezeExcitation(8, name=f"{name}_se")
)
with_acm = keras_condattn.insert_after(
    backbone, PLACES, lambda name, channels: ACM(groups=4, name=f"{name}_acm")
)
for made in (backbone, with_se, with_acm):
    print(f"{len(made.layers):4} layers {made.count_params():9,} parameters")

# %% [markdown]
# The names of the old layers stay, the new ones have yours, and the result is saved and
# loaded like any model. A pattern that matches nothing is an error that lists names
# that come near:

# %%
try:
    keras_condattn.insert_after(backbone, "block_1_projekt_BN", lambda n, c: ACM())
except ValueError as error:
    print(error)

# %% [markdown]
# A layer that starts as the identity leaves the features, and so everything behind
# them, as they were: then a pretrained network is as good as before when its training
# goes on. `SRM` and `GlobalContext` start so by themselves or nearly; ACM scales by a
# gate that starts near one half, and batch statistics adapt in the first steps.
#
# ## Layers that are steered
#
# `FiLM`, `GuidingBlock` and `INSIDE` need a second input. Give `insert_after` one, and
# the model it returns takes a dict.

# %%
steered = keras_condattn.insert_after(
    backbone,
    "out_relu",
    lambda name, channels: INSIDE(
        relative_sigma=True, max_sigma=1.0, name=f"{name}_inside"
    ),
    conditioning=keras.Input((4,), name="conditioning"),
)
print({name: tensor.shape for name, tensor in steered.input.items()})

# %% [markdown]
# ## A classifier that compares
#
# `ACMResNet50` and its relatives have the attention in their blocks, take ImageNet's or
# the authors' parameters, and score an image by the maximum of a class map, so that
# each of them can say where. `attention_resnet` is the same network at any size.
#
# The radiographs are drawn: chests of ellipses and arcs, into half of which `Nodules`
# puts one to three blurred discs, new ones every epoch. Image label and boxes are known
# exactly. (`chest_xray14.load` reads the real set in the same way. Nothing that is
# learnt here holds for patients.)

# %%
scratch = tempfile.TemporaryDirectory()
root = chest_xray14.write_phantoms(
    pathlib.Path(scratch.name) / "radiographs", IMAGES, size=SIDE
)
NODULES = {"diameter": (0.05, 0.1), "contrast": (0.3, 0.7)}
FRAME = {"size": SIDE, "margin": 1.0, "normalise": "zscore"}
train = chest_xray14.load(
    root, "train", **FRAME, nodules=Nodules(**NODULES, fresh=True), cache=True
)
test = chest_xray14.load(root, "test", **FRAME, nodules=Nodules(**NODULES))

network = {
    "input_shape": shaped(SIDE, SIDE, 1), "classes": 1, "blocks": (1, 1, 1, 1),
    "width": WIDTH, "attention_at": ("layer2", "layer3", "layer4"),
}  # fmt: skip
COMPARING = {"attention": "acm", "attention_options": {"groups": 8}}


def trained(**attention):
    """A network trained on the drawn radiographs."""
    keras.utils.set_random_seed(0)
    model = keras_condattn.models.attention_resnet(**network, **attention)
    batches = Batches(train, 16, "image", shuffle=True)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, EPOCHS * len(batches))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(batches, epochs=EPOCHS, verbose=0)
    return model


plain, comparing = trained(attention=None), trained(**COMPARING)

# %% [markdown]
# ## Does it find them, and where?
#
# Whether an image has a nodule is judged by the area under the ROC curve. Where it is,
# by JAFROC: how often the map is higher at a nodule than anywhere in an image without.
# Pixel i of a ResNet's map looks at pixel 32 i of the image, not at the middle of a
# cell, hence `origin=0.5`; a map laid over the image without that is half a cell off.
# The same weights in a network with more outputs give the maps.

# %%
items = [test[i] for i in range(len(test))]
images = np.stack([item["image"] for item in items])
labels = np.stack([item["label"] for item in items])
boxes = [item["boxes"] for item in items]


def look(model, **options):
    """Scores and maps of the test images."""
    viewer = keras_condattn.models.attention_resnet(
        **network, **options, return_class_maps=True
    )
    viewer.set_weights(model.get_weights())
    x = np.moveaxis(images, -1, 1) if CHANNELS_FIRST else images
    return viewer.predict(x, verbose=0)


def scored(found):
    """AUC and JAFROC."""
    return {
        "auc": mean_auc(labels, found["logits"]),
        "jafroc": jafroc_from_maps(
            found["class_activation_map"], boxes, SIDE, origin=0.5
        ),
    }


found = look(comparing, **COMPARING, return_attention=True)
scores = {"none": scored(look(plain, attention=None)), "acm": scored(found)}
for name, score in scores.items():
    print(f"{name:5}", {kind: round(float(value), 3) for kind, value in score.items()})

# %% [markdown]
# The two numbers can disagree. ACM adds the difference of what K and Q found to *every*
# position of its group of channels. An image with a nodule is then easy to tell from
# one without, but its class map is raised everywhere, and the nodule stands out less.
# Where you need a place, look at the maps of K and Q as well, or keep ACM out of the
# last stage with `attention_at`.

# %% [markdown]
# ## What is compared with what
#
# For one image and each place: where K looks, where Q looks (each group has maps of its
# own that sum to 1; here is their mean, relative to looking everywhere alike), and the
# class map in the end.


# %%
def last(array):
    """Channels last, whatever the data format."""
    return np.moveaxis(array, 1, -1) if CHANNELS_FIRST else array


def over(ax, image, heat, limits, colours):
    """A coarse map over the image."""
    ax.imshow(image, cmap="gray")
    # Its pixels are centred on the first, the stride-th, ... pixel of the image.
    half = SIDE / len(heat) / 2
    whole = np.pad(heat, ((0, 1), (0, 1)), "edge")
    shown = ax.imshow(
        whole, colours, alpha=0.6, vmin=limits[0], vmax=limits[1],
        extent=(-half, SIDE + half, SIDE + half, -half), interpolation="bilinear",
    )  # fmt: skip
    ax.set(xticks=[], yticks=[], xlim=(-0.5, SIDE - 0.5), ylim=(SIDE - 0.5, -0.5))
    return shown


which = int(np.where(labels[:, 0] == 1, found["logits"][:, 0], -np.inf).argmax())
picture = images[which, ..., 0]
places = [name for name in found if name.startswith("attention_")]
fig, axes = plt.subplots(2, len(places) + 1, figsize=(11, 5.6), layout="constrained")
for column, place in enumerate(places):
    for row, title in enumerate("KQ"):
        maps = last(found[place][row])[which]
        heat = maps.mean(-1) * maps.shape[0] * maps.shape[1]
        shown = over(axes[row, column], picture, heat, (0, max(2, heat.max())), "magma")
        stage = place.removeprefix("attention_").split("_")[0]
        axes[row, column].set_title(f"{title}, {stage}, {len(maps)}x{len(maps)}")
        fig.colorbar(shown, ax=axes[row, column], shrink=0.8)
heat = last(found["class_activation_map"])[which, ..., 0]
limit = abs(heat).max()
axes[0, -1].imshow(picture, cmap="gray")
axes[0, -1].set(title="image and nodules", xticks=[], yticks=[])
shown = over(axes[1, -1], picture, heat, (-limit, limit), "coolwarm")
axes[1, -1].set_title(f"class map, {len(heat)}x{len(heat)}")
fig.colorbar(shown, ax=axes[1, -1], shrink=0.8)
for _, x, y, width, height in boxes[which]:
    for ax in axes[:, -1]:
        ax.add_patch(plt.Rectangle((x, y), width, height, fill=False, color="#00a6fb"))
fig.savefig(OUTPUTS / "compared.png", dpi=110)

# %% [markdown]
# A map is no explanation: that a network looks somewhere does not mean that its answer
# hangs on it. `orthogonality_weight` pushes K and Q apart, `formula="PX"` and the like
# take parts of the module away, and `python -m benchmarks.nodules` measures on real
# radiographs, with several seeds, what each of them is worth.
