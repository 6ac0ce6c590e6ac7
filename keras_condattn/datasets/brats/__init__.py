"""Brain tumours in MR of several modalities: the BraTS challenges."""

from keras_condattn.datasets.brats._files import MODALITIES as MODALITIES
from keras_condattn.datasets.brats._load import load as load
from keras_condattn.datasets.brats._load import load_pictures as load_pictures
from keras_condattn.datasets.brats._phantom import write_phantoms as write_phantoms
from keras_condattn.datasets.brats._source import Brains as Brains
