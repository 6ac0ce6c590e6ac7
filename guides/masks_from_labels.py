# %% [markdown]
# # Masks from image-level labels, by agreement
#
# To outline a tumour in every slice takes an expert's days; to say which slices show
# one takes minutes. A classifier learns from the second kind of label, and its class
# activation map (CAM) says where it looks. But to classify it need not see the whole
# tumour, nor the tumour alone. This guide adds what else is known: a map must move as
# its image is moved, and two MR modalities of one slice show one tumour.
#
# By default it draws brains. `python guides/masks_from_labels.py --brats FOLDER` does
# the same with your copy of BraTS. It needs the extra `keras-condattn[medical]` and
# matplotlib, and on drawn brains about five minutes on two cores.

# %%
import argparse
import os
import pathlib
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_condattn import predict_volume
from keras_condattn.applications import CrossModalityCAM
from keras_condattn.datasets import Batches, brats, write_nifti
from keras_condattn.losses import CrossModalityLoss
from keras_condattn.metrics import volume_scores
from keras_condattn.models import choose_threshold, fuse_maps, grad_cam, maps_to_masks

parser = argparse.ArgumentParser(description="Masks from image-level labels.")
parser.add_argument("--brats", type=pathlib.Path, help="a folder with scans of BraTS")
# In a notebook the arguments are not ours, so others are let pass.
REAL = parser.parse_known_args()[0].brats
SMALL = os.environ.get("KERAS_CONDATTN_GUIDE_SIZE") == "small"
STEPS, FILTERS = (2, (2, 2)) if SMALL else (1000, (8, 16))
TWO = ("flair", "t1ce")
OUTPUTS = pathlib.Path("outputs/guides/masks_from_labels")
OUTPUTS.mkdir(parents=True, exist_ok=True)
CHANNELS_FIRST = keras.config.image_data_format() == "channels_first"

# %% [markdown]
# ## The files
#
# BraTS is a folder a scan with a NIfTI file for each modality, and `seg`. We take
# FLAIR, in which a glioma and the swelling around it are bright, and T1 with contrast
# agent (`t1ce`), in which its rim is. `write_phantoms` draws such scans. In them both
# modalities also show small bright spots that are none, each its own, and in three of
# ten brains `t1ce` shows next to nothing of the lesion. So neither is enough.
#
# `load` reads each file once to see what is usable, and splits patients whole. Heads
# fit into 64 x 64 pixels of 3 mm; of real ones about 6 MB a scan are kept in memory.

# %%
FRAME = {"modalities": TWO, "normalise": "zscore", "cache": True}
scratch = tempfile.TemporaryDirectory()
if REAL:
    root = REAL
    FRAME |= {"spacing": 3.0, "size": 64}
elif SMALL:
    root = brats.write_phantoms(
        scratch.name, 6, slices=8, size=(48, 48), spacing=(15.0, 4.0, 4.0)
    )
else:
    root = brats.write_phantoms(
        scratch.name, 64, size=(64, 64), spacing=(5.0, 3.0, 3.0)
    )
train = brats.load(root, "train", **FRAME)
print("real brains" if REAL else "drawn brains", "in", root)
print(len(train), "slices,", train.positive.sum(), "with tumour, to learn from")

# %% [markdown]
# A slice's `"label"` is all that training sees: 1 where it shows tumour, else 0. Here
# are three of each kind.

# %%
rng = np.random.default_rng(0)
few = [
    train[int(i)]
    for label in (1, 0)
    for i in rng.choice(np.flatnonzero(train.positive == label), 3, replace=False)
]
fig, axes = plt.subplots(2, 6, figsize=(10, 3.8), layout="constrained")
for column, item in zip(axes.T, few, strict=True):
    for ax, modality in zip(column, TWO, strict=True):
        ax.imshow(item[modality][..., 0], cmap="gray")
    column[0].set_title(f"label {item['label']}")
for ax, modality in zip(axes[:, 0], TWO, strict=True):
    ax.set_ylabel(modality)
plt.setp(axes, xticks=[], yticks=[])
fig.savefig(OUTPUTS / "labels.png", dpi=110)

# %% [markdown]
# Patients that validate and test are read as volumes: `"positive"` has the label of
# each slice, and `"label"` is the mask, which judges and never trains.

# %%
validation, test = (
    [volumes[i] for i in range(len(volumes))]
    for split in ("validation", "test")
    for volumes in [brats.load(root, split, volumes=True, **FRAME)]
)
print(len(validation), "patients validate,", len(test), "test")


def slices(items):
    """All slices of these patients and their labels, as `fit` takes them."""
    x = {m: np.concatenate([item[m] for item in items]) for m in TWO}
    if CHANNELS_FIRST:
        x = {m: np.moveaxis(array, -1, 1) for m, array in x.items()}
    return x, np.concatenate([item["positive"] for item in items])


# %% [markdown]
# ## The networks and what they learn from
#
# `CrossModalityCAM` is one U-Net a modality. Each ends in a full-resolution map for
# each class, and the mean of a map is the score of its class. It is a `keras.Model`:
# compile it with a `CrossModalityLoss` and fit.
#
# `filters` are the widths of its blocks: two, so one pooling. The paper's network pools
# three times, and then each pixel of the map has seen about 100 pixels around it. On
# images no larger than that every pixel knows of the tumour wherever it is, and since
# the score is a mean over pixels, all of them learn to say so: the whole brain lights
# up. A small field of view is what makes a map a map.
#
# Every step sees two views, the slices
# and the same slices flipped, turned, shifted or zoomed, alike in all modalities. The
# loss has four terms, each with a weight:
#
# - `classification`: both views, from the image-level label.
# - `equivariance`: the map of the moved slice is the moved map.
# - `cross_modality`: one modality's map is like the other's, in positive slices of
#   which the other says so too.
# - `kl`: one modality's scores are like the other's, softened by a temperature.
#
# As the mean over pixels, which was released, the third term is next to nothing beside
# the others; hence `pixels="sum"`. With a weight of 1 it then can be more than the
# labels hold against, and the maps agree on more than the tumour; here it weighs a
# tenth. `benchmarks/cross_modality.py` tries both, each term alone, and the release.


# %%
def trained(name, loss):
    """Networks that learnt with this loss, and their curves."""
    keras.utils.set_random_seed(0)
    batches = Batches(train, 8, TWO, shuffle=True, drop_last=True)
    shape = batches[0][0][TWO[0]].shape[1:]
    model = CrossModalityCAM(shape, TWO, filters=FILTERS)
    epochs = max(STEPS // len(batches), 1)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(batches))
    model.compile(keras.optimizers.Adam(rate), loss)
    log = keras.callbacks.CSVLogger(OUTPUTS / f"{name}.csv")
    unseen = slices(validation)
    options = {"validation_data": unseen, "callbacks": [log], "verbose": 2}
    return model, model.fit(batches, epochs=epochs, **options).history


# %% [markdown]
# First the plain classifier, with the same views and steps; then the full method.

# %%
NONE = {"equivariance": 0.0, "cross_modality": 0.0, "kl": 0.0}
plain, before = trained("plain", CrossModalityLoss(**NONE))
full, after = trained("full", CrossModalityLoss(cross_modality=0.1, pixels="sum"))

# %% [markdown]
# Terms are logged without their weights, as means over modalities; one of weight 0 is
# not computed. Validation has one view, so the first two are what to look at there.

# %%
TERMS = ("accuracy", "classification", "equivariance", "cross_modality", "kl")
LINES = {("plain", "#888888"): before, ("full", "#d1495b"): after}
fig, axes = plt.subplots(1, 5, figsize=(13, 2.8), layout="constrained")
for ax, term in zip(axes, TERMS, strict=True):
    for (name, colour), history in LINES.items():
        if term in history:
            ax.plot(history[term], ".-", color=colour, label=name)
        if term in TERMS[:2]:
            ax.plot(history[f"val_{term}"], ".:", color=colour)
    ax.set(title=term, xlabel="epoch")
axes[0].legend(frameon=False, title="dotted: validation")
fig.savefig(OUTPUTS / "curves.png", dpi=110)

# %% [markdown]
# ## From maps to masks
#
# The map of class 1 is in the model's output. `grad_cam` finds evidence in another way,
# at any layer of any functional model, from the gradient of a class score; here at the
# end of the decoder. `fuse_maps` takes each map of each slice to [0, 1] and gives their
# mean over modalities. So it is high somewhere in every slice, also where there is
# nothing to find. Whether there is, the classifier says, by its mean score.


# %%
def look(model, items, method="cam", modalities=TWO):
    """Fused maps and what the classifier says of each slice, patient by patient."""
    x, _ = slices(items)
    found = model.predict(x, batch_size=16, verbose=0)
    maps = {}
    for m in modalities:
        if method == "grad_cam":
            layer = f"{m}_network/decoder_s1_2_relu"
            maps[m] = grad_cam(model, x, layer, classes=1, output=f"{m}/logits")[..., 0]
        else:
            cam = found[m]["class_activation_map"]
            maps[m] = cam[:, 1] if CHANNELS_FIRST else cam[..., 1]
    said = np.mean([found[m]["logits"] for m in modalities], axis=0).argmax(-1)
    # Slices of air were left out of training. They hold no tumour, whatever is said.
    said *= (x[TWO[0]] != 0).any((1, 2, 3))
    ends = np.cumsum([len(item["label"]) for item in items])[:-1]
    return np.split(fuse_maps(maps), ends), np.split(said, ends)


# %% [markdown]
# What in a map is tumour? Above a threshold, the one with the best 3-D Dice on the
# validation patients. Test patients have no part in that choice: a threshold found on
# them would flatter. `maps_to_masks` leaves slices empty that are said to be negative.
#
# Each test patient is then judged as a whole, in three dimensions: Dice, and the
# average distance between the surfaces (ASSD) in mm.


# %%
def judged(model, **options):
    """Threshold by validation patients; maps, masks and scores of test patients."""
    maps, said = look(model, validation, **options)
    truth = [item["label"] for item in validation]
    threshold, dice = choose_threshold(maps, truth, said)
    maps, said = look(model, test, **options)
    masks = [maps_to_masks(m, threshold, s) for m, s in zip(maps, said, strict=True)]
    scores = [
        volume_scores(item["label"], mask, item["spacing"], classes=2)[1]
        for item, mask in zip(test, masks, strict=True)
    ]
    return {"threshold": threshold, "validation": dice[threshold], "maps": maps,
            "said": said, "masks": masks, "scores": scores}  # fmt: skip


results = {
    "CAM": judged(plain),
    "Grad-CAM": judged(plain, method="grad_cam"),
    "full method": judged(full),
    **{f"full method, {m} alone": judged(full, modalities=(m,)) for m in TWO},
}
for name, result in results.items():
    right = np.mean(np.concatenate(result["said"]) == slices(test)[1])
    dice, assd = np.nanmean([[s["dice"], s["assd"]] for s in result["scores"]], axis=0)
    print(
        f"{name:24} Dice {dice:.3f}, ASSD {assd:4.1f} mm; above {result['threshold']};"
        f" of slices {right:.2f} classified rightly"
    )

# %% [markdown]
# A mean hides who gained and who lost. Patient by patient, before and after:

# %%
BEFORE, AFTER = results["CAM"], results["full method"]
for item, *pair in zip(test, BEFORE["scores"], AFTER["scores"], strict=True):
    texts = [f"Dice {s['dice']:.3f}, ASSD {s['assd']:4.1f} mm" for s in pair]
    print(f"{item['id']:24}", " -> ".join(texts))

# %% [markdown]
# ## The picture
#
# For some test patients the slice with the largest lesion, and last a slice without
# any: its maps find something in it all the same, and the classifier decides.


# %%
def healthy(item):
    """The number of the slice without tumour that shows most of the brain."""
    brain = (item[TWO[0]] != 0).sum((1, 2, 3))
    return int(np.where(item["positive"] == 0, brain, -1).argmax())


shown = [(i, int(item["label"].sum((1, 2)).argmax())) for i, item in enumerate(test)]
shown = [*shown[:3], (0, healthy(test[0]))]
BLUE, RED = "#4cc9f0", "#f72585"
fig, axes = plt.subplots(len(shown), 6, figsize=(11, 8), layout="compressed")
for row, (i, z) in zip(axes, shown, strict=True):
    item, images = test[i], [test[i][m][z, ..., 0] for m in TWO]
    for ax, image in zip(row[[0, 1, 4, 5]], images + images[:1] * 2, strict=True):
        ax.imshow(image, cmap="gray")
    for ax, result in zip(row[2:4], (BEFORE, AFTER), strict=True):
        ax.imshow(result["maps"][i][z], cmap="magma", vmin=0, vmax=1)
    mask, truth = AFTER["masks"][i][z], item["label"][z]
    for ax, lines in zip(row[2:], (truth, truth, mask, truth), strict=True):
        if lines.any():
            ax.contour(lines, [0.5], colors=RED if lines is mask else BLUE)
    said = "tumour" if AFTER["said"][i][z] else "none"
    row[0].set_ylabel(f"{item['id']}\nslice {z}, said: {said}", fontsize=8)
titles = (*TWO, "CAM before", "CAM after", "mask", "truth")
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title)
plt.setp(axes, xticks=[], yticks=[])
fig.savefig(OUTPUTS / "masks.png", dpi=120, bbox_inches="tight")
print("pictures and curves in", OUTPUTS)

# %% [markdown]
# ## From the files to a mask on their own pixels
#
# What was chosen above, written down once, is all that `predict_volume` needs to take
# scans at native resolution and give masks there. A model is saved with it. It keeps
# the largest piece alone, if asked to: specks in healthy slices go, and so do second
# lesions.

# %%
full.preprocessing = {
    "normalise": FRAME["normalise"],
    "spacing": FRAME.get("spacing"),
    "size": FRAME.get("size"),
    "threshold": AFTER["threshold"],
    "largest_component": True,
}
full.save(OUTPUTS / "full.keras")
raw = brats.load(root, "test", modalities=TWO, volumes=True)[0]
label = predict_volume(keras.saving.load_model(OUTPUTS / "full.keras"), raw)
scores = volume_scores(raw["label"], label, raw["spacing"], classes=2)[1]
write_nifti(OUTPUTS / f"{raw['id']}_mask.nii.gz", label, like=raw)
print(raw["id"], "at native resolution:", label.shape, f"Dice {scores['dice']:.3f}")

# %% [markdown]
# `CrossModalityCAM(weights="brats")` is such a model, with its choices: a network that
# learnt from drawn brains alone, and finds more of real tumours than those that learnt
# from the labels of two patients. Read its card: four patients chose and measured it.

# %% [markdown]
# ## What to check before believing it
#
# One run of one seed proves little: `python -m benchmarks.cross_modality` adds the
# terms one after another, over several seeds, beside networks that learnt from masks.
# What agreement teaches, it can also unteach: where one modality shows nothing of a
# tumour, the other may learn to leave it out. Look at patients, not at means alone.
#
# Masks do take part, of the validation patients, by one number. Where you have none at
# all, set a threshold beforehand and say so. With few patients, who is in which split
# matters more than the method: `load(..., protocol="leave_one_out", fold=n)` leaves
# each out in turn. Numbers of drawn brains are no numbers of patients.
# Pictures of real ones stay in `outputs/`, which git ignores; leave them there.
