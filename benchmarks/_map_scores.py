"""Reads a network's maps of a patient's slices, and says what the masks are worth."""

import math

import numpy as np

from keras_condattn.metrics import volume_scores
from keras_condattn.models import (
    choose_threshold,
    fuse_maps,
    grad_cam,
    grad_cam_plus_plus,
    maps_to_masks,
)

READINGS = {"grad_cam": grad_cam, "grad_cam_plus_plus": grad_cam_plus_plus}
# One layer earlier, at `backbone`, Grad-CAM is CAM: what follows is linear.
LAYER = "decoder_s1_2_relu"
# Slices with less brain were left out of training (`brats.load`): there is none to see.
LEAST_BRAIN = 0.02


def readings(model, items, modalities, method):
    """Maps (slices, H, W) and what the classifiers say (slices,), patient by patient.

    Under "fused" those of all modalities, and each modality alone under its name. A
    slice of air is negative whatever a classifier says of it.
    """
    x = {m: np.concatenate([item[m] for item in items]) for m in modalities}
    out = model.predict(x, batch_size=16, verbose=0)
    logits = {m: out[m]["logits"] for m in modalities}
    if method == "cam":
        maps = {m: out[m]["class_activation_map"][..., 1] for m in modalities}
    else:
        maps = {
            m: READINGS[method](
                model, x, f"{m}_network/{LAYER}", classes=1, output=f"{m}/logits",
                batch_size=16,
            )[..., 0]
            for m in modalities
        }  # fmt: skip
    brain = np.any([array != 0 for array in x.values()], 0).mean((1, 2, 3))
    found = {}
    for name, of in {"fused": modalities, **{m: (m,) for m in modalities}}.items():
        said = np.mean([logits[m] for m in of], 0).argmax(-1)
        said = np.where(brain < LEAST_BRAIN, 0, said)
        found[name] = (
            by_patient(fuse_maps({m: maps[m] for m in of}), items),
            by_patient(said, items),
        )
    return found


def pixel_readings(model, items, modalities):
    """The probabilities of the supervised network, in the same form."""
    x = {m: np.concatenate([item[m] for item in items]) for m in modalities}
    logits = model.predict(x, batch_size=16, verbose=0)
    tumour = 1 / (1 + np.exp(logits[..., 0] - logits[..., 1]))
    everywhere = np.ones(len(tumour), int)
    return {"fused": (by_patient(tumour, items), by_patient(everywhere, items))}


def by_patient(array, items):
    ends = np.cumsum([len(item["label"]) for item in items])
    return np.split(array, ends[:-1])


def measure(validation, test, read):
    """Threshold on validation patients; 3-D Dice and ASSD of each test patient."""
    found = {}
    chosen = read(validation)
    for name, (maps, said) in read(test).items():
        threshold, dice = choose_threshold(
            chosen[name][0], [item["label"] for item in validation], chosen[name][1]
        )
        rows = []
        for item, m, s in zip(test, maps, said, strict=True):
            scores = volume_scores(
                item["label"],
                maps_to_masks(m, threshold, s),
                item["spacing"],
                classes=2,
            )[1]
            rows.append({
                "id": item["id"], "dice": scores["dice"], "assd_mm": scores["assd"],
                "accuracy": float(np.mean(s == item["positive"])),
            })  # fmt: skip
        means = {k: float(np.mean([row[k] for row in rows]))
                 for k in ("dice", "assd_mm", "accuracy")}  # fmt: skip
        found[name] = {"threshold": threshold, "validation_dice": dice[threshold],
                       "patients": rows, **means}  # fmt: skip
    if any(not math.isfinite(part["dice"]) for part in found.values()):
        raise ValueError("a test patient has no tumour: its Dice is 0 / 0")
    return found
