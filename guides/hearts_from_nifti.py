# %% [markdown]
# # From NIfTI files to a steered segmentation
#
# Cine MR films a beating heart. Where a reader draws the border of the cavity depends
# on the picture, and on two facts that are not in it: whether the heart is filled
# (end-diastole, ED) or contracted (end-systole, ES), and how far from base to apex the
# slice lies. This guide gives both to a network as a vector, and looks at what they do.
#
# It reads ACDC where the environment variable `KERAS_CONDATTN_DATA` names a folder
# with `acdc/` in it. Without, it draws hearts of its own, in the same layout. It needs
# the extra `keras-condattn[medical]` and matplotlib, and about two minutes on two
# cores.

# %%
import os
import pathlib
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba

import keras_condattn
from keras_condattn.applications import InsideUNet
from keras_condattn.datasets import Batches, acdc, write_nifti
from keras_condattn.metrics import DiceScore, dice_score, hausdorff_distance_95

SMALL = os.environ.get("KERAS_CONDATTN_GUIDE_SIZE") == "small"
STEPS, FILTERS = (2, (4, 8)) if SMALL else (400, 8)
OUTPUTS = pathlib.Path("outputs/guides/hearts_from_nifti")
OUTPUTS.mkdir(parents=True, exist_ok=True)
CHANNELS_FIRST = keras.config.image_data_format() == "channels_first"
keras.utils.set_random_seed(0)

# %% [markdown]
# ## The files
#
# ACDC is a folder a patient: `Info.cfg`, and for each of two frames the image, its
# `_gt` with the right ventricle (RV, 1), myocardium (2) and left ventricle (LV, 3),
# and, where you have them, `_scribble`. `write_phantoms` draws such patients.
#
# In drawn hearts the phase matters by construction. Trabeculae, the fingers of muscle
# at the cavity's border, count as cavity at ED and as muscle at ES. And the first
# slice, alike in both phases, is ventricle at ED but lies above the valves at ES, where
# nothing is to be segmented. Real readers follow such conventions too, less strictly.

# %%
mine = pathlib.Path(os.environ.get("KERAS_CONDATTN_DATA", "")) / "acdc"
REAL = mine.is_dir() and not SMALL
scratch = tempfile.TemporaryDirectory()
if REAL:
    root = mine
elif SMALL:
    root = acdc.write_phantoms(
        scratch.name, 10, slices=4, size=(40, 40), spacing=(20.0, 4.0, 4.0)
    )
else:
    root = acdc.write_phantoms(scratch.name, patients=40)
print("real hearts" if REAL else "drawn hearts", "in", root)

# %% [markdown]
# `load` looks at every file once, and names each patient whose files cannot be used in
# one error (`on_error="skip"` leaves them out). After that an item is read when it is
# asked for. With `volumes=True` an item is a volume at native resolution, slices first,
# base to apex, with its spacing in mm and a condition for each slice.

# %%
volumes = acdc.load(root, volumes=True)
print(len(volumes), "volumes of", len(volumes.patients), "patients")
for name, value in volumes[0].items():
    print(f"{name:12}", getattr(value, "shape", value), getattr(value, "dtype", ""))
print(volumes.conditions, volumes[0]["conditioning"][1])

# %% [markdown]
# ## Splits, by patient
#
# Slices of one heart resemble each other. With some in training and others in the test,
# a network is praised for knowing the patient. So patients are split whole, each group
# of diagnoses in proportion, and two ids with the same images count as one patient.

# %%
splits = {
    name: acdc.load(root, name, volumes=True)
    for name in ("train", "validation", "test")
}
for name, source in splits.items():
    print(f"{name:10} {len(source.patients)} patients: {source.patients[:3]}, ...")

# %% [markdown]
# ## Slices in a frame
#
# Patients differ in pixel spacing, image size and grey levels; a network wants one of
# each. A frame resamples in-plane to so many mm a pixel, crops or pads around the
# centre, and normalises over the volume. Training slices vary from epoch to epoch with
# `augment=True`. Choose the size so that a whole heart fits off-centre.

# %%
FRAME = {"normalise": "zscore", "spacing": (2.0, 2.0), "size": (80, 80)}
if SMALL:
    FRAME |= {"spacing": (4.0, 4.0), "size": (32, 32)}


def batches(split):
    """Slices of a split; those of training shuffled and varied."""
    train = split == "train"
    source = acdc.load(root, split, **FRAME, augment=train, cache=True)
    return Batches(source, batch_size=12, shuffle=train, drop_last=train)


train, validation = batches("train"), batches("validation")
inputs, labels = train[0]
print(inputs["image"].shape, inputs["conditioning"].shape, labels.shape)

# %% [markdown]
# ## The network
#
# `InsideUNet` takes the condition where `condition_at` says. Through its skips, fine
# detail bypasses the bottleneck, so we condition the finest level of the decoder too:
# the border between cavity and wall is decided there.
#
# Two options matter. At several levels `max_sigma`, the cap on a window's width, is
# best a fraction of the map (`relative_sigma`). And INSIDE adds a penalty on its widths
# to the loss, whose size does not depend on the number of pixels: beside a loss that is
# a *mean* over pixels it is a constant that outweighs the picture. We switch it off.

# %%
model = InsideUNet(
    inputs["image"].shape[1:],
    conditioning_size=len(volumes.conditions),
    classes=len(acdc.CLASSES),
    condition_at=("bottleneck", "decoder_s1"),
    conditioning_options={"penalty": 0.0, "relative_sigma": True, "max_sigma": 1.0},
    filters=FILTERS,
)
print(f"{model.count_params():,} parameters")

# %% [markdown]
# ## The loss
#
# Cross-entropy judges every pixel alone, and most are background. Dice judges each
# class as a whole, but says little while a class is not found at all. Their sum trains
# well. Keras has both; mind which axis holds the classes.

# %%
CLASS_AXIS = 1 if CHANNELS_FIRST else -1
PIXEL_AXES = (0, 2, 3) if CHANNELS_FIRST else (0, 1, 2)


def cross_entropy_and_dice(y_true, y_pred):
    """The mean over pixels of one, and over classes of the other."""
    classes = keras.ops.cast(y_true, "int32")
    truth = keras.ops.one_hot(classes, 4, axis=CLASS_AXIS, dtype="float32")
    entropy = keras.losses.categorical_crossentropy(
        truth, y_pred, from_logits=True, axis=CLASS_AXIS
    )
    probabilities = keras.ops.softmax(y_pred, axis=CLASS_AXIS)
    dice = keras.losses.dice(truth, probabilities, axis=PIXEL_AXES)
    return keras.ops.mean(entropy) + keras.ops.mean(dice)


# %% [markdown]
# `DiceScore` as a metric watches the slices. `average="pooled"` sums over all of them
# before it divides, so that a slice with three pixels of a structure does not weigh as
# much as one with three hundred.

# %%
epochs = max(STEPS // len(train), 1)
rate = keras.optimizers.schedules.CosineDecay(4e-3, epochs * len(train))
model.compile(
    keras.optimizers.Adam(rate),
    cross_entropy_and_dice,
    metrics=[DiceScore(classes=4, average="pooled")],
)
model.fit(train, validation_data=validation, epochs=epochs, verbose=2)

# %% [markdown]
# ## Back to the volume
#
# Nobody wants labels on an 80 x 80 crop. `predict_volume` frames the slices of a
# volume as in training, takes the probabilities back to native pixels, and gives a
# label volume of the image's shape. Weights that are registered bring their own
# preprocessing; for our own network we say what it was.
#
# Dice and distances are then per patient and structure, in three dimensions and in mm.
# The 95th percentile of surface distances (HD95) sees the far-off specks to which Dice
# is blind.


# %%
def measured(volume, label):
    """Dice and HD95 in mm of each structure."""
    dice = dice_score(volume["label"][None], label[None], classes=4, per_class=True)
    distances = {
        f"hd95_{c}": hausdorff_distance_95(
            volume["label"] == c, label == c, volume["spacing"]
        )
        for c in (1, 2, 3)
    }
    return dice | distances


def table(rows):
    """Prints the means over volumes."""
    for number, name in enumerate(acdc.CLASSES[1:], 1):
        dice, hd95 = (
            np.mean([row[f"{kind}_{number}"] for row in rows])
            for kind in ("dice", "hd95")
        )
        print(f"{name:16} Dice {dice:.3f}   HD95 {hd95:5.1f} mm")


hearts = [splits["test"][i] for i in range(len(splits["test"]))]
predicted = [
    keras_condattn.predict_volume(model, h, preprocessing=FRAME) for h in hearts
]
scores = [measured(h, label) for h, label in zip(hearts, predicted, strict=True)]
table(scores)

# %% [markdown]
# `write_nifti` writes a label volume with the geometry of its image, so that a viewer
# lays one over the other.

# %%
write_nifti(OUTPUTS / f"{hearts[0]['id']}.nii.gz", predicted[0], like=hearts[0])

# %% [markdown]
# ## The same heart under both conditions
#
# A condition is an input like any other, so we may ask: what would you have drawn, had
# this been the other phase? `told` changes what the network is told and nothing else.


# %%
def told(heart, phase=None, position=None):
    """The heart with another phase, or all slices at another position, 0 to 1."""
    vectors = heart["conditioning"].copy()
    if phase is not None:
        vectors[:, :2] = [phase == "ED", phase == "ES"]
    if position is not None:
        vectors[:, 2] = position
    return heart | {"conditioning": vectors}


def steered(heart, **changes):
    """The labels of a heart, the network being told something else."""
    return keras_condattn.predict_volume(
        model, told(heart, **changes), preprocessing=FRAME
    )


heart = hearts[0]
answers = {phase: steered(heart, phase=phase) for phase in ("ED", "ES")}
for phase, label in answers.items():
    millilitres = (label == 3).sum() * heart["spacing"].prod() / 1000
    print(f"{heart['id']}, told {phase}: cavity {millilitres:.0f} ml")

# %% [markdown]
# One row a slice, from base to apex. The image never changes within a row. The last
# column shows where the two answers part.

# %%
COLOURS = ("#4cc9f0", "#f72585", "#ffd60a")
CHANGES = {
    "cavity as ED, muscle as ES": "#ff9f1c",
    "heart as ED, none as ES": "#2ec4b6",
    "any other difference": "#c77dff",
}


def outline(ax, label):
    """The border of each structure."""
    for number, colour in enumerate(COLOURS, 1):
        if (label == number).any():
            ax.contour(label == number, [0.5], colors=colour, linewidths=1.6)


def difference(ax, as_ed, as_es):
    """Colours the pixels that two answers do not share, by the kind of change."""
    kinds = (
        (as_ed == 3) & (as_es == 2),
        (as_ed > 0) & (as_es == 0),
        as_ed != as_es,
    )
    colours = np.zeros((*as_ed.shape, 4))
    for kind, colour in reversed(list(zip(kinds, CHANGES.values(), strict=True))):
        colours[kind] = to_rgba(colour, 0.9)
    ax.imshow(colours, aspect=ax.get_aspect(), interpolation="nearest")


def around(label, margin):
    """Rows and columns to show: the heart and a margin, in pixels."""
    rows, columns = np.nonzero(label.any(0))[:2] if label.any() else ([0], [0])
    return (
        slice(max(min(rows) - margin, 0), max(rows) + margin + 1),
        slice(max(min(columns) - margin, 0), max(columns) + margin + 1),
    )


depth = len(heart["image"])
shown = [0, round(0.4 * (depth - 1)), round(0.75 * (depth - 1))]
window = around(heart["label"], margin=10)
titles = ("image", "truth", "told ED", "told ES", "what the phase changes")
fig, axes = plt.subplots(3, 5, figsize=(11, 7.4), layout="constrained")
for row, z in zip(axes, shown, strict=True):
    image, truth, as_ed, as_es = (
        array[z][window]
        for array in (heart["image"], heart["label"], answers["ED"], answers["ES"])
    )
    for ax in row:
        ax.imshow(
            image, cmap="gray", vmax=np.percentile(heart["image"], 99.5),
            aspect=heart["spacing"][1] / heart["spacing"][2],
        )  # fmt: skip
    for ax, label in zip(row[1:4], (truth, as_ed, as_es), strict=True):
        outline(ax, label)
    difference(row[4], as_ed, as_es)
    row[0].set_ylabel(f"slice {z + 1} of {depth}", fontsize=11)
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title, fontsize=12)
plt.setp(axes, xticks=[], yticks=[])
handles = [
    *(plt.Line2D([], [], color=c, label=n)
      for c, n in zip(COLOURS, acdc.CLASSES[1:], strict=True)),
    *(plt.Rectangle((0, 0), 1, 1, color=c, label=n) for n, c in CHANGES.items()),
]  # fmt: skip
fig.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
kind = "A heart" if REAL else "A drawn heart"
fig.suptitle(f"{kind} at {heart['phase']}, and what the network is told of its phase")
fig.savefig(OUTPUTS / "hearts.png", dpi=120)

# %% [markdown]
# The position steers as well. Here is one slice from the middle of the heart, told that
# it lies anywhere from base to apex, in either phase.

# %%
middle = {
    name: heart[name][depth // 2 : depth // 2 + 1] for name in ("image", "conditioning")
} | {"spacing": heart["spacing"]}
places = np.linspace(0, 1, 3 if SMALL else 11)
pixel = heart["spacing"][1:].prod() / 100
fig, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained", sharey=True)
for phase, style in (("ED", "-"), ("ES", "--")):
    labels = [steered(middle, phase=phase, position=p) for p in places]
    for number, ax in enumerate(axes, 1):
        areas = [(label == number).sum() * pixel for label in labels]
        ax.plot(places, areas, style, color="black", label=f"told {phase}")
        ax.set(title=acdc.CLASSES[number], xlabel="told position, base to apex")
axes[0].set(ylabel="area, cm²")
axes[0].legend(frameon=False)
fig.savefig(OUTPUTS / "positions.png", dpi=120)

# %% [markdown]
# ## What to check before believing it
#
# A picture of one patient proves little. Tell the network the wrong thing, for every
# test patient, and see how far Dice falls. If it does not fall, the network ignores the
# condition: perhaps the image gives the phase away, or the level that is conditioned
# cannot change what you hoped for.


# %%
def mean_dice(**lie):
    """Mean Dice over test volumes; `lie` makes a change for each of them."""
    changed = [{name: make(h) for name, make in lie.items()} for h in hearts]
    labels = [steered(h, **change) for h, change in zip(hearts, changed, strict=True)]
    pairs = zip(hearts, labels, strict=True)
    return np.mean([measured(h, label)["dice"] for h, label in pairs])


def other_phase(heart):
    return "ES" if heart["phase"] == "ED" else "ED"


def upside_down(heart):
    return 1 - heart["conditioning"][:, 2]


falls = {
    "told the truth": mean_dice(),
    "the other phase": mean_dice(phase=other_phase),
    "apex for base": mean_dice(position=upside_down),
}
for lie, dice in falls.items():
    print(f"{lie:16} Dice {dice:.3f}")

# %% [markdown]
# A fall says that the condition is *used*, not that it *helps*. For that, train the
# same network with `conditioning=None`, on several seeds, and compare; `python -m
# benchmarks.acdc` does it on ACDC. A condition that is used is also one that can be
# wrong: where `Info.cfg` swaps the phases, so do the borders. On drawn hearts none of
# these numbers says anything of patients.
#
# ## Shipped weights
#
# Weights trained on ACDC bring their configuration and their preprocessing, so that a
# volume needs two lines more. Their card says what they were trained on and what they
# reach on patients they have not seen.

# %%
if not SMALL and "acdc" in {r.name for r in keras_condattn.list_weights("InsideUNet")}:
    shipped = InsideUNet(weights="acdc")
    label = keras_condattn.predict_volume(shipped, hearts[0])
    print(measured(hearts[0], label) if REAL else "made for real hearts, not for ours")

# %% [markdown]
# Group, height and weight can be conditions too (`load(..., conditioning=...)`); mind
# that a diagnosis is rarely known before the segmentation. What INSIDE's windows look
# like, and how to bring data of your own, is in `steering_with_inside.py`.
