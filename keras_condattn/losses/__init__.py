"""Losses that look at more than one pixel at a time."""

from keras_condattn.losses.attentive_similarity import (
    AttentiveSimilarityLoss as AttentiveSimilarityLoss,
)
from keras_condattn.losses.attentive_similarity import (
    attentive_similarity as attentive_similarity,
)
from keras_condattn.losses.cross_modality import CrossModalityLoss as CrossModalityLoss
from keras_condattn.losses.cross_modality_equivariance import (
    CrossModalityEquivariance as CrossModalityEquivariance,
)
from keras_condattn.losses.cross_modality_equivariance import (
    cross_modality_equivariance as cross_modality_equivariance,
)
from keras_condattn.losses.equivariance import Equivariance as Equivariance
from keras_condattn.losses.equivariance import equivariance as equivariance
from keras_condattn.losses.gated_crf import GatedCRF as GatedCRF
from keras_condattn.losses.gated_crf import gated_crf as gated_crf
from keras_condattn.losses.normalize_cam import normalize_cam as normalize_cam
from keras_condattn.losses.scribble import ScribbleLoss as ScribbleLoss
from keras_condattn.losses.temperature_kl import TemperatureKL as TemperatureKL
from keras_condattn.losses.temperature_kl import temperature_kl as temperature_kl
