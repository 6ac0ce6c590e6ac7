"""How layers become networks."""

from keras_condattn.models.aligned_upsampling import (
    AlignedUpsampling as AlignedUpsampling,
)
from keras_condattn.models.attention_densenet import (
    attention_densenet as attention_densenet,
)
from keras_condattn.models.attention_resnet import attention_resnet as attention_resnet
from keras_condattn.models.cam_network import CAMNetwork as CAMNetwork
from keras_condattn.models.cam_network import cam_network as cam_network
from keras_condattn.models.classifier import ClassMapClassifier as ClassMapClassifier
from keras_condattn.models.conditioned_model import ConditionedModel as ConditionedModel
from keras_condattn.models.cross_modality_model import (
    CrossModalityModel as CrossModalityModel,
)
from keras_condattn.models.divisible import DivisibleSize as DivisibleSize
from keras_condattn.models.grad_cam import grad_cam as grad_cam
from keras_condattn.models.grad_cam import grad_cam_plus_plus as grad_cam_plus_plus
from keras_condattn.models.insert_after import insert_after as insert_after
from keras_condattn.models.map_masks import choose_threshold as choose_threshold
from keras_condattn.models.map_masks import fuse_maps as fuse_maps
from keras_condattn.models.map_masks import maps_to_masks as maps_to_masks
from keras_condattn.models.predict_volume import predict_volume as predict_volume
from keras_condattn.models.scribble_model import ScribbleModel as ScribbleModel
from keras_condattn.models.unet import unet as unet
