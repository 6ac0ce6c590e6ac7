"""What a prediction is worth."""

from keras_condattn.metrics.auc import mean_auc as mean_auc
from keras_condattn.metrics.dice import DiceScore as DiceScore
from keras_condattn.metrics.dice import dice_score as dice_score
from keras_condattn.metrics.jafroc import jafroc as jafroc
from keras_condattn.metrics.jafroc import jafroc_from_maps as jafroc_from_maps
from keras_condattn.metrics.marks import map_marks as map_marks
from keras_condattn.metrics.marks import mark_hits as mark_hits
from keras_condattn.metrics.surface import (
    average_symmetric_surface_distance as average_symmetric_surface_distance,
)
from keras_condattn.metrics.surface import (
    hausdorff_distance_95 as hausdorff_distance_95,
)
from keras_condattn.metrics.volume_scores import volume_scores as volume_scores
