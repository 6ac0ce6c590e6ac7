"""Attention that is steered: layers that read a condition beside their features."""

from keras_condattn.layers.film import FiLM as FiLM
from keras_condattn.layers.guiding_block import GuidingBlock as GuidingBlock
from keras_condattn.layers.inside import INSIDE as INSIDE
