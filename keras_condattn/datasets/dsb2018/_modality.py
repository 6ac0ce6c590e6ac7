"""Whether a micrograph shows fluorescence or stained tissue."""

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets._pictures import LUMINANCE

MODALITIES = ("fluorescence", "brightfield")
BRIGHT_BACKGROUND = 0.25


def modality_of(image: NDArray[np.float32]) -> str:
    """Brightfield where the median luminance exceeds a quarter of full scale.

    Fluorescence is bright nuclei on black, brightfield dark nuclei on a bright
    ground; the median pixel is ground in both.
    """
    grey = image @ LUMINANCE if image.shape[-1] == 3 else image[..., 0]
    return MODALITIES[int(np.median(grey) > BRIGHT_BACKGROUND)]
