"""Frontal chest radiographs with fourteen findings: ChestX-ray14 of the NIH."""

from keras_condattn.datasets._view import CropAndJitter as CropAndJitter
from keras_condattn.datasets.chest_xray14._findings import FINDINGS as FINDINGS
from keras_condattn.datasets.chest_xray14._load import load as load
from keras_condattn.datasets.chest_xray14._phantom import (
    write_phantoms as write_phantoms,
)
from keras_condattn.datasets.chest_xray14._source import Radiographs as Radiographs
