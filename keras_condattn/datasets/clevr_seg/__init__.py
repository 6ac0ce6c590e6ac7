"""CLEVR-Seg: rendered scenes, and the objects of the condition asked for."""

from keras_condattn.datasets.clevr_seg._farm import render as render
from keras_condattn.datasets.clevr_seg._load import load as load
from keras_condattn.datasets.clevr_seg._source import ClevrSeg as ClevrSeg
from keras_condattn.datasets.clevr_seg._vocabulary import CONDITIONS as CONDITIONS
