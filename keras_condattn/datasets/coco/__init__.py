"""Photographs with objects of eighty categories: COCO 2017."""

from keras_condattn.datasets._view import CropAndJitter as CropAndJitter
from keras_condattn.datasets.coco._load import load as load
from keras_condattn.datasets.coco._source import Photographs as Photographs
