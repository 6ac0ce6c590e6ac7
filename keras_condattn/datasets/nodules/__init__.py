"""Simulated nodules in real chest radiographs."""

from keras_condattn.datasets.nodules._draw import Nodules as Nodules
from keras_condattn.datasets.nodules._field import lung_field as lung_field
