"""Whole networks by name."""

from keras_condattn.applications.acm_densenet import ACMDenseNet121 as ACMDenseNet121
from keras_condattn.applications.acm_resnet import ACMResNet50 as ACMResNet50
from keras_condattn.applications.acm_resnet import ACMResNet101 as ACMResNet101
from keras_condattn.applications.acm_resnext import ACMResNeXt50 as ACMResNeXt50
from keras_condattn.applications.acm_resnext import ACMResNeXt101 as ACMResNeXt101
from keras_condattn.applications.atten_scribble_unet import (
    AttenScribbleUNet as AttenScribbleUNet,
)
from keras_condattn.applications.cross_modality_cam import (
    CrossModalityCAM as CrossModalityCAM,
)
from keras_condattn.applications.inside_encoder_decoder import (
    InsideEncoderDecoder as InsideEncoderDecoder,
)
from keras_condattn.applications.inside_unet import InsideUNet as InsideUNet
from keras_condattn.applications.list_models import list_models as list_models
from keras_condattn.applications.unet_cam import UNetCAM as UNetCAM
