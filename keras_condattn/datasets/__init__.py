"""Public data sets, each read in the layout in which it is published."""

from keras_condattn.datasets import acdc as acdc
from keras_condattn.datasets import brats as brats
from keras_condattn.datasets import chaos as chaos
from keras_condattn.datasets import chest_xray14 as chest_xray14
from keras_condattn.datasets import clevr_seg as clevr_seg
from keras_condattn.datasets import coco as coco
from keras_condattn.datasets import dsb2018 as dsb2018
from keras_condattn.datasets import nodules as nodules
from keras_condattn.datasets._augment import Augmentation as Augmentation
from keras_condattn.datasets._batches import Batches as Batches
from keras_condattn.datasets._nifti import write_nifti as write_nifti
from keras_condattn.datasets._pen import SimulatedScribbles as SimulatedScribbles
from keras_condattn.datasets._scribbles import simulate_scribble as simulate_scribble
