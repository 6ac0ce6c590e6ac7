PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
BACKEND ?= tensorflow
RUN := KERAS_BACKEND=$(BACKEND) TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python
export KERAS_CONDATTN_DATA ?= $(abspath $(wildcard ../shared/data))

.PHONY: setup demo test bench results clean

setup: $(VENV)/ready

$(VENV)/ready: constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt pip
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[clevr,coco,images,medical,dev]" tensorflow-cpu jax torch
	touch $@

demo: setup
	$(RUN) -m benchmarks.demo

test: setup
	$(BIN)/python tests/run_all.py

bench: setup
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.scribble_speed

results: setup
	$(RUN) -m benchmarks.clevr_seg
	$(RUN) -m benchmarks.inside_ablation
	$(RUN) -m benchmarks.nuclei
	$(RUN) -m benchmarks.publish clevr_seg_96 nuclei
	$(RUN) -m benchmarks.acdc
	$(RUN) -m benchmarks.acdc_weights
	$(RUN) -m benchmarks.nodules
	$(RUN) -m benchmarks.radiographs
	$(RUN) -m benchmarks.scribble_check
	$(RUN) -m benchmarks.scribble
	$(RUN) -m benchmarks.scribble_weights --choose
	$(RUN) -m benchmarks.scribble_weights
	$(RUN) -m benchmarks.cross_modality
	$(RUN) -m benchmarks.cross_modality_weights
	$(BIN)/python -m benchmarks.readme

clean:
	rm -rf $(VENV) outputs .cache
