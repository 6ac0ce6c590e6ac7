"""Abdominal organs in MR and CT: the CHAOS challenge."""

from keras_condattn.datasets.chaos._ground import CLASSES as CLASSES
from keras_condattn.datasets.chaos._load import load as load
from keras_condattn.datasets.chaos._source import Abdomens as Abdomens
