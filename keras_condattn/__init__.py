"""A Keras 3 model zoo for attention that is steered or compared."""

from keras_condattn import applications as applications
from keras_condattn import datasets as datasets
from keras_condattn import layers as layers
from keras_condattn import losses as losses
from keras_condattn import metrics as metrics
from keras_condattn import models as models
from keras_condattn.applications import list_models as list_models
from keras_condattn.models import insert_after as insert_after
from keras_condattn.models import predict_volume as predict_volume
from keras_condattn.weights import list_weights as list_weights
from keras_condattn.weights import load_official as load_official

__version__ = "0.1.0"
