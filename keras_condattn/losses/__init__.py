"""Losses that look at more than one pixel at a time."""

from keras_condattn.losses.attentive_similarity import (
    AttentiveSimilarityLoss as AttentiveSimilarityLoss,
)
from keras_condattn.losses.attentive_similarity import (
    attentive_similarity as attentive_similarity,
)
from keras_condattn.losses.gated_crf import GatedCRF as GatedCRF
from keras_condattn.losses.gated_crf import gated_crf as gated_crf
