"""How layers become networks."""

from keras_condattn.models.conditioned_model import ConditionedModel as ConditionedModel
from keras_condattn.models.divisible import DivisibleSize as DivisibleSize
from keras_condattn.models.predict_volume import predict_volume as predict_volume
from keras_condattn.models.unet import unet as unet
