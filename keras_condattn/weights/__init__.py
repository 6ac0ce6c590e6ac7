"""Trained weights are data: a register of records, and what finds and loads them."""

from keras_condattn.weights.cards import card as card
from keras_condattn.weights.cards import publish as publish
from keras_condattn.weights.configured import from_registry as from_registry
from keras_condattn.weights.imagenet import from_imagenet as from_imagenet
from keras_condattn.weights.listing import WeightsTable as WeightsTable
from keras_condattn.weights.listing import list_weights as list_weights
from keras_condattn.weights.loader import load_into as load_into
from keras_condattn.weights.loader import resolve as resolve
from keras_condattn.weights.official import load_official as load_official
from keras_condattn.weights.places import locate as locate
from keras_condattn.weights.records import WeightsFacts as WeightsFacts
from keras_condattn.weights.records import WeightsRecord as WeightsRecord
from keras_condattn.weights.registry import find as find
from keras_condattn.weights.registry import read_records as read_records
