"""Finds lesions on class maps, and says how well: for benchmarks.nodules."""

import dataclasses

import keras
import numpy as np

from keras_condattn.metrics import jafroc_from_maps, map_marks, mean_auc

# Where the first pixel of a class map looks: the padding is symmetric.
ORIGIN = 0.5


class Drawn:
    """A source in which every image is drawn into several times."""

    def __init__(self, source, times):
        self.source, self.times = source, times
        source.nodules = dataclasses.replace(source.nodules, fresh=True)

    def __len__(self):
        return self.times * len(self.source)

    def __getitem__(self, index):
        drawing, number = divmod(index, len(self.source))
        self.source.set_epoch(drawing)
        return self.source[number]


def measure(model, source, size, shift=None):
    """AUC of the scores, JAFROC of the class maps, and how far off they peak.

    An image-level label does not say where a map should peak, so a network may learn to
    do so beside what it finds, always to the same side. `shift`, found on validation
    images as "peak_shift_px", is taken off for "jafroc_shifted".
    """
    # The source draws by its state, so one image after the other.
    items = [source[i] for i in range(len(source))]
    found = model.predict(stacked(items), batch_size=32, verbose=0)
    labels = np.stack([item["label"] for item in items])
    boxes = [item["boxes"] for item in items]
    maps = found["class_activation_map"]
    away = [off(m, b, size) for m, b in zip(maps, boxes, strict=True) if len(b)]
    scores = {"jafroc": boxes}
    if shift is not None:
        scores["jafroc_shifted"] = [np.add(b, (0, *shift, 0, 0)) for b in boxes]
    return {
        "auc": float(mean_auc(labels, found["logits"])),
        **{name: float(jafroc_from_maps(maps, wanted, size, origin=ORIGIN))
           for name, wanted in scores.items()},
        "peak_off_px": float(np.median(np.hypot(*np.transpose(away)))),
        "peak_shift_px": np.median(away, 0).tolist(),  # to the right, down
        "images": len(items),
        "with_nodules": int(labels.sum()),
        "nodules": sum(map(len, boxes)),
    }  # fmt: skip


def off(class_map, boxes, size):
    """From the nearest nodule to the map's peak, (x, y) in pixels."""
    peak = map_marks(np.squeeze(class_map), size, origin=ORIGIN, max_marks=1)[0, :2]
    away = peak - (boxes[:, 1:3] + boxes[:, 3:] / 2)
    return away[np.hypot(*away.T).argmin()]


def stacked(items):
    """The images of some items as a network of this data format takes them."""
    images = np.stack([item["image"] for item in items])
    first = keras.config.image_data_format() == "channels_first"
    return np.moveaxis(images, -1, 1) if first else images
