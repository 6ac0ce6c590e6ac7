"""Attention that is steered by a condition, or that compares."""

from keras_condattn.layers.acm import ACM as ACM
from keras_condattn.layers.attentive_similarity import (
    AttentiveSimilarity as AttentiveSimilarity,
)
from keras_condattn.layers.cbam import CBAM as CBAM
from keras_condattn.layers.criss_cross_attention import (
    CrissCrossAttention as CrissCrossAttention,
)
from keras_condattn.layers.film import FiLM as FiLM
from keras_condattn.layers.global_context import GlobalContext as GlobalContext
from keras_condattn.layers.guiding_block import GuidingBlock as GuidingBlock
from keras_condattn.layers.inside import INSIDE as INSIDE
from keras_condattn.layers.non_local import NonLocal as NonLocal
from keras_condattn.layers.random_view import RandomView as RandomView
from keras_condattn.layers.squeeze_excitation import (
    SqueezeExcitation as SqueezeExcitation,
)
from keras_condattn.layers.srm import SRM as SRM
from keras_condattn.layers.standardize import Standardize as Standardize
from keras_condattn.layers.summed_orthogonality import (
    SummedOrthogonality as SummedOrthogonality,
)
