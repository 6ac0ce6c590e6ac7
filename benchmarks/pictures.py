"""Pictures of steering: one image, every condition, what the network makes of it."""

import keras
import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TRUTH, PREDICTION = "#00a6fb", "#ff6d00"


def batch(items):
    """The items' images and conditions, in the data format in force."""
    images = np.stack([item["image"] for item in items])
    if keras.config.image_data_format() == "channels_first":
        images = np.moveaxis(images, -1, 1)
    conditions = np.stack([item["conditioning"] for item in items])
    return {"image": images, "conditioning": conditions}


def channels_last(array):
    """A prediction as (B, H, W, C), whatever the data format."""
    first = keras.config.image_data_format() == "channels_first"
    return np.moveaxis(array, 1, -1) if first else array


def look(model, viewer, items):
    """Probability and attention for each item, through a model that shows both.

    `viewer` is the same network made with `return_attention=True`.
    """
    viewer.set_weights(model.get_weights())
    output = viewer.predict_on_batch(batch(items))
    mask = channels_last(output.pop("mask"))[..., 0]
    # Where several levels are steered, the first map: the coarsest.
    attention = channels_last(next(iter(output.values())))
    # A channel's window counts as much as the channel's gain lets through; the
    # plain mean over channels already shows where the network can look.
    return 1 / (1 + np.exp(-mask)), attention.mean(-1)


def steering(path, items, names, probability, attention, title):
    """One column a condition: image with outlines above, attention below."""
    columns = len(items)
    figure, axes = plt.subplots(
        2, columns, figsize=(2.6 * columns, 5.6), layout="constrained"
    )
    for k, (item, name) in enumerate(zip(items, names, strict=True)):
        top, bottom = axes[:, k]
        top.imshow(item["image"].squeeze(), cmap="gray", vmin=0, vmax=1)
        outline(top, item["label"][..., 0], TRUTH, 2.6)
        outline(top, probability[k] > 0.5, PREDICTION, 1.2)
        top.set_title(name.replace("_", " "), fontsize=11)
        height, width = item["image"].shape[:2]
        bottom.imshow(item["image"].mean(-1), cmap="gray", vmin=0, vmax=1)
        shown = bottom.imshow(
            attention[k], cmap="magma", alpha=0.75, vmin=0, vmax=attention.max(),
            extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="bilinear",
        )  # fmt: skip
        for axis in (top, bottom):
            axis.set_xticks([])
            axis.set_yticks([])
    axes[0, 0].set_ylabel("asked for · predicted")
    axes[1, 0].set_ylabel("attention, mean of channels")
    figure.colorbar(shown, ax=axes[1, :].tolist(), shrink=0.85, pad=0.01)
    figure.suptitle(title, fontsize=12)
    legend = [
        plt.Line2D([], [], color=TRUTH, lw=2.6, label="asked for"),
        plt.Line2D([], [], color=PREDICTION, lw=1.2, label="predicted"),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def outline(axis, mask, color, width):
    """The border of a mask; an empty one has none."""
    if np.any(mask):
        axis.contour(mask.astype(float), [0.5], colors=[color], linewidths=[width])
