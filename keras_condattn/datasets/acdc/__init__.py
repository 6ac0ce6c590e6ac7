"""Hearts in cine MR: the Automated Cardiac Diagnosis Challenge."""

from keras_condattn.datasets.acdc._load import load as load
from keras_condattn.datasets.acdc._phantom import write_phantoms as write_phantoms
from keras_condattn.datasets.acdc._read import CLASSES as CLASSES
from keras_condattn.datasets.acdc._read import UNLABELLED as UNLABELLED
from keras_condattn.datasets.acdc._source import Hearts as Hearts
