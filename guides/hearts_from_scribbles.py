# %% [markdown]
# # A heart from a few strokes
#
# To outline a heart slice by slice is slow work for an expert. A few strokes are quick:
# one within each structure, one through what is none. They tell the class of a pixel in
# a hundred, and of no border. This guide labels a slice that way, trains a network on
# such strokes alone, and looks at what it makes of the other pixels:
#
# - with *partial cross-entropy*, which judges scribbled pixels and no others;
# - with the *gated CRF* too: neighbours that look alike should be of one class;
# - with *attentive similarity* too: so should neighbours that the network's own
#   attention finds alike. All three together are AttenScribble.
#
# It reads ACDC, scribbles included, from the folder on its command line, or from
# `acdc/` in the folder that the environment variable `KERAS_CONDATTN_DATA` names.
# Without, it draws hearts of its own, in the same layout. It needs the extra
# `keras-condattn[medical]` and matplotlib, and about six minutes on two cores.

# %%
import itertools
import math
import os
import pathlib
import sys
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba

import keras_condattn
from keras_condattn.applications import AttenScribbleUNet
from keras_condattn.datasets import Batches, SimulatedScribbles, acdc, write_nifti
from keras_condattn.losses import ScribbleLoss
from keras_condattn.metrics import volume_scores

SMALL = os.environ.get("KERAS_CONDATTN_GUIDE_SIZE") == "small"
STEPS, FILTERS, RADIUS = (8, (4, 4, 8), 1) if SMALL else (500, (8, 16, 32, 64), 2)
OUTPUTS = pathlib.Path("outputs/guides/hearts_from_scribbles")
OUTPUTS.mkdir(parents=True, exist_ok=True)
COLOURS = ("#80ed99", "#4cc9f0", "#f72585", "#ffd60a")  # of each class

# %% [markdown]
# ## The files
#
# ACDC is a folder a patient: images, each with its `_gt`, the dense labels, and its
# `_scribble`: 0 background, 1 right ventricle (RV), 2 myocardium, 3 left ventricle
# (LV), 4 no stroke. `write_phantoms` draws such patients.

# %%
mine, asked = pathlib.Path(os.environ.get("KERAS_CONDATTN_DATA", "")) / "acdc", False
if __name__ == "__main__" and sys.argv[1:] and not sys.argv[1].startswith("-"):
    mine, asked = pathlib.Path(sys.argv[1]), True
REAL = (asked or mine.is_dir()) and not SMALL
scratch = tempfile.TemporaryDirectory()
FEW = {"patients": 10, "slices": 4, "size": (40, 40), "spacing": (20.0, 4.0, 4.0)}
MANY = {"patients": 5 if REAL else 40}
drawn = acdc.write_phantoms(scratch.name, **(FEW if SMALL else MANY))
root = mine if REAL else drawn
print("real hearts" if REAL else "drawn hearts", "in", root)

# %% [markdown]
# ## Strokes by hand
#
# A scribble is an array of class numbers, so any drawing program can make one. Here we
# set points, in mm from the middle of the slice, and a line runs through them. This is
# a slice of a drawn heart. Its background has a stroke that leads through the lung, the
# aorta, which is as bright as a ventricle, and the liver, which is as dark as muscle:
# strokes are worth most where a network would go wrong.

# %%
STROKES = {
    0: [(-45, -30), (-48, 20), (-20, 52), (27, 63), (60, 30), (55, -20)],
    1: [(-5, -31), (8, -32), (18, -28)],
    2: [(-24, 5), (-17, 22), (0, 29), (14, 25)],
    3: [(-8, 0), (6, 10)],
}


def draw(scribble, number, points, spacing):
    """Labels the pixels on the line through points (down, right)."""
    middle = (np.array(scribble.shape) - 1) / 2
    for begin, end in itertools.pairwise(np.array(points) / spacing + middle):
        steps = 2 * math.ceil(abs(end - begin).max()) + 1
        rows, columns = np.linspace(begin, end, steps).round().astype(int).T
        scribble[rows, columns] = number


volumes = acdc.load(drawn, volumes=True, scribbles=True)
heart = next(heart for heart in volumes if heart["id"] == "patient003_ED")
z = len(heart["image"]) // 2
own = np.full(heart["image"][z].shape, acdc.UNLABELLED, "uint8")
for number, points in STROKES.items():
    draw(own, number, points, heart["spacing"][1:])
known = own != acdc.UNLABELLED
right = (own == heart["label"][z])[known].mean()
print(f"{known.mean():.1%} of the pixels have a label, {right:.0%} of these the true")

# %% [markdown]
# As a file beside its image it is a scribble that `load` finds. (This heart is ours to
# change; its other slices keep the strokes they came with.)

# %%
scribbles = heart["scribble"].copy()
scribbles[z] = own
(file,) = drawn.rglob("patient003_frame01_scribble.nii.gz")
write_nifti(file, scribbles, like=heart)

# %% [markdown]
# ## Strokes by a pen
#
# Whoever has dense labels and wonders what strokes would have done gives `load` a pen,
# `scribbles=SimulatedScribbles()`: it draws a line within every class, as long and as
# wide as ACDC's experts do unless told otherwise.

# %%
pen = SimulatedScribbles()
simulated = pen.draw(heart["label"][z], len(acdc.CLASSES), heart["id"], z)


def show(ax, heart, image, labels, classes=(1, 2, 3), alpha=0.6):
    """An image, and over it the colours of some classes."""
    over = np.zeros((*image.shape, 4))
    for number in classes:
        over[labels == number] = to_rgba(COLOURS[number], alpha)
    aspect = heart["spacing"][1] / heart["spacing"][2]
    top = np.percentile(heart["image"], 99.5)
    ax.imshow(image, cmap="gray", vmax=top, aspect=aspect)
    ax.imshow(over, aspect=aspect, interpolation="nearest")
    ax.set(xticks=[], yticks=[])


EVERY = {"classes": range(4), "alpha": 1.0}
fig, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained")
image = heart["image"][z]
show(axes[0], heart, image, image, classes=())
show(axes[1], heart, image, own, **EVERY)
show(axes[2], heart, image, simulated, **EVERY)
show(axes[3], heart, image, heart["label"][z])
for ax, title in zip(axes, ("image", "by hand", "by a pen", "truth"), strict=True):
    ax.set_title(title)
fig.savefig(OUTPUTS / "strokes.png", dpi=110)

# %% [markdown]
# ## What it learns from
#
# Images and scribbles, and nothing else: with `labels=False` no dense label is read.
# Your own patients need none. Augmentation moves a scribble with its image.

# %%
FRAME = {"normalise": "zscore", "spacing": (2.0, 2.0), "size": (80, 80)}
if SMALL:
    FRAME |= {"spacing": (4.0, 4.0), "size": (32, 32)}

HOW = {"labels": False, "scribbles": True, "augment": True, "cache": True}
train = acdc.load(root, "train", share=0.4 if REAL else 1.0, **FRAME, **HOW)
known = [train[i]["scribble"] != acdc.UNLABELLED for i in range(len(train))]
print(f"{len(train)} slices of {len(train.patients)} patients, {sorted(train[0])}")
print(f"{np.mean(known):.1%} of the pixels have a label")

# %% [markdown]
# ## Three ways to train
#
# `AttenScribbleUNet` gives a dict: `"mask"`, the logits, and with its attention
# `"similarity"`, K: how alike attention finds each pixel of a coarse map and its
# neighbours. `ScribbleLoss` has the three terms, and a weight of 0 leaves one out. The
# model is compiled with it and fitted like any other, to image and scribble.
#
# Two numbers depend on the data. `sigma_image` is the difference of grey levels up to
# which neighbours look alike: the published 0.1 is for levels from 0 to 1, ours are
# z-scored and span about four, so we take 0.4. Radii are in pixels, of the image and of
# the coarse map. The published 5 is for a map of 64 x 64; ours is of 20 x 20. And as
# both terms are sums over windows, in a large one they outweigh the strokes, and a
# class can vanish. We take 2.

# %%
METHODS = {
    "strokes alone": {"crf_weight": 0.0, "similarity_weight": 0.0},
    "+ gated CRF": {"crf_weight": 0.1, "similarity_weight": 0.0},
    "+ similarity": {"crf_weight": 0.1, "similarity_weight": 0.1},
}


def trained(weights):
    """A network trained with these weights of the terms, and its curves."""
    keras.utils.set_random_seed(0)
    batches = Batches(train, 12, "image", "scribble", shuffle=True, drop_last=True)
    model = AttenScribbleUNet(
        batches[0][0].shape[1:], len(acdc.CLASSES), filters=FILTERS, dropout=0.1,
        attention=weights["similarity_weight"] > 0, similarity_radius=RADIUS,
    )  # fmt: skip
    epochs = max(STEPS // len(batches), 1)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(batches))
    windows = {"radius": RADIUS, "similarity_radius": RADIUS, "sigma_image": 0.4}
    loss = ScribbleLoss(ignore_class=acdc.UNLABELLED, **windows, **weights)
    model.compile(keras.optimizers.Adam(rate), loss)
    return model, model.fit(batches, epochs=epochs, verbose=2).history


models, curves = {}, {}
for name, weights in METHODS.items():
    print(f"\n{name}")
    models[name], curves[name] = trained(weights)

# %% [markdown]
# ## The curves
#
# The logs have each term before its weight. A low partial cross-entropy says only that
# the strokes are fitted; whether the rest is any good it does not say. Watch the mean
# of K. Nothing in the loss rewards a large K, and with K = 0 attentive similarity is 0
# whatever the masks are. Should it sink there, `ScribbleLoss(similarity_floor=0.4)`
# puts a price on it. `similarity_spread` in the logs is the other thing to watch: as
# released, K is nearly the same number for every pair, and then attentive similarity
# is no more than smoothing. `AttenScribbleUNet(similarity="log_attention")` is ours.

# %%
fig, axes = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained")
LOGGED = (*models["+ similarity"].loss.weights, "mean_similarity")
for ax, term in zip(axes, LOGGED, strict=True):
    for number, (name, curve) in enumerate(curves.items()):
        if term in curve:
            epochs = range(1, len(curve[term]) + 1)
            ax.plot(epochs, curve[term], ".-", color=f"C{number}", label=name)
    ax.set(title=term.replace("_", " "), xlabel="epoch", ylim=(0, None))
axes[0].legend(frameon=False)
fig.savefig(OUTPUTS / "curves.png", dpi=110)

# %% [markdown]
# ## How good are they?
#
# Only now do dense labels come in, those of patients not seen in training.
# `predict_volume` takes the masks back to the pixels of the file; Dice is of the whole
# volume, in three dimensions. The 95th percentile of surface distances (HD95) sees what
# Dice hardly does: specks far from the heart, where no stroke ever said "background".

# %%
test = acdc.load(root, "test", volumes=True, scribbles=True)
hearts = [test[i] for i in range(len(test))]
predicted = {
    name: [keras_condattn.predict_volume(model, h, preprocessing=FRAME) for h in hearts]
    for name, model in models.items()
}


def scored(labels):
    """Mean Dice of each structure, and mean HD95 in mm."""
    found = [
        volume_scores(heart["label"], label, heart["spacing"], classes=4)
        for heart, label in zip(hearts, labels, strict=True)
    ]
    dice = [np.nanmean([f[c]["dice"] for f in found]) for c in (1, 2, 3)]
    return dice, np.nanmean([f[c]["hd95"] for f in found for c in (1, 2, 3)])


scores = {name: scored(labels) for name, labels in predicted.items()}
print(f"{'Dice':16} mean     RV   myo.     LV   HD95, mm")
for name, (dice, hd95) in scores.items():
    numbers = " ".join(f"{value:6.3f}" for value in (np.mean(dice), *dice))
    print(f"{name:14} {numbers}   {hd95:8.1f}")

# %% [markdown]
# ## Look
#
# A heart of the test patients, three slices from base to apex, up to 75 mm from the
# middle. The strokes on it are shown for comparison; no network has seen them.

# %%
heart, (depth, *sides) = hearts[0], hearts[0]["image"].shape
window = tuple(
    slice(max(round(side / 2 - 75 / step), 0), round(side / 2 + 75 / step))
    for side, step in zip(sides, heart["spacing"][1:], strict=True)
)
answers = {name: labels[0] for name, labels in predicted.items()}
titles = ("image", "scribble", *answers, "truth")
fig, axes = plt.subplots(3, 6, figsize=(12, 6.6), layout="constrained")
for row, z in zip(axes, (depth // 7, depth // 2, 3 * depth // 4), strict=True):
    image = heart["image"][z][window]
    show(row[0], heart, image, image, classes=())
    show(row[1], heart, image, heart["scribble"][z][window], **EVERY)
    for ax, label in zip(row[2:], (*answers.values(), heart["label"]), strict=True):
        show(ax, heart, image, label[z][window])
    row[0].set_ylabel(f"slice {z + 1} of {depth}")
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title)
handles = [
    plt.Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor="grey", label=name)
    for colour, name in zip(COLOURS, acdc.CLASSES, strict=True)
]
fig.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
fig.suptitle(f"A {'' if REAL else 'drawn '}heart at {heart['phase']}")
fig.savefig(OUTPUTS / "scribbles.png", dpi=120)

# %% [markdown]
# ## Before believing it
#
# One seed and a few hundred steps do not rank three losses. `python -m
# benchmarks.scribble` trains each of them on ACDC with several seeds, dense labels for
# a bound, and the attention without its loss. On drawn hearts no number says anything
# of patients. Where a picture shows no border, as between muscle and liver of one grey,
# no loss that looks at the picture finds one: there a stroke helps more than a weight.
