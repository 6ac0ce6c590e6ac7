"""Nuclei in micrographs: the 2018 Data Science Bowl (BBBC038)."""

from keras_condattn.datasets.dsb2018._load import load as load
from keras_condattn.datasets.dsb2018._nuclei import Nuclei as Nuclei
from keras_condattn.datasets.dsb2018._quadrants import QUADRANTS as QUADRANTS
