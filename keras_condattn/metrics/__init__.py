"""What a prediction is worth."""

from keras_condattn.metrics.dice import DiceScore as DiceScore
from keras_condattn.metrics.dice import dice_score as dice_score
from keras_condattn.metrics.surface import (
    average_symmetric_surface_distance as average_symmetric_surface_distance,
)
from keras_condattn.metrics.surface import (
    hausdorff_distance_95 as hausdorff_distance_95,
)
