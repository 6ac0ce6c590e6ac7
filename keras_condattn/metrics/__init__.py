"""What a prediction is worth."""

from keras_condattn.metrics.dice import DiceScore as DiceScore
from keras_condattn.metrics.dice import dice_score as dice_score
