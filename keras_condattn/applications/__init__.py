"""Whole networks by name."""

from keras_condattn.applications.inside_encoder_decoder import (
    InsideEncoderDecoder as InsideEncoderDecoder,
)
from keras_condattn.applications.inside_unet import InsideUNet as InsideUNet
from keras_condattn.applications.list_models import list_models as list_models
