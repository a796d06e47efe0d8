# LeafGate's commands. `make demo` and `make test` set up everything they need.
PYTHON ?= python3.11
UV_VERSION := 0.13.8
BIN := .venv/bin
# Tests at a time, file by file; each takes a core and up to 2 GiB.
WORKERS ?= 2
COMPILE := $(BIN)/uv pip compile -q --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
  --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
IMAGES := api api-gpu build dashboard mlflow odbc trainer trainer-gpu

.PHONY: help demo gpu up down test check bench lock clean

help:            ## this list
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

demo: .venv/ready  ## run the whole loop and leave it up; DATA=folder for your own images
	$(BIN)/leafgate demo $(if $(DATA),--data "$(DATA)")

gpu: .venv/ready ## put CUDA's libraries for a GPU of NVIDIA into the environment, and say what is seen
	$(BIN)/uv pip install --require-hashes -r requirements-gpu.txt
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -c 'import tensorflow as tf; print("TensorFlow sees", tf.config.list_physical_devices("GPU") or "no GPU: look at nvidia-smi")'

up:              ## the full stack in containers, with its secrets made in .env; docs/operations.md
	docker/secrets.sh
	docker/compose.sh up -d --build
	@echo "API http://localhost:8000/docs, dashboard http://localhost:8501, MLflow http://localhost:5000"
	@echo "first user: docker/compose.sh exec api leafgate users add ada --scope predict --scope generate --scope feedback --scope admin"
	@echo "first model: docker/compose.sh run --rm trainer leafgate demo --no-serve"

down:            ## stop the stack; its state stays
	docker/compose.sh down

test: .venv/ready  ## run all tests, or TESTS=path; says what it skipped and why
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

check: .venv/ready  ## lint, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready  ## measure what the documentation states
	$(BIN)/python -m benchmarks.forms
	$(BIN)/python -m benchmarks.stage1
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.imbalance
	$(BIN)/python -m benchmarks.champion_check
	$(BIN)/python -m benchmarks.serving --quick
	$(BIN)/python -m benchmarks.request_log --parts cost writer
	$(if $(TORCH_PYTHON),$(BIN)/python -m benchmarks.dcgan_step --torch-python "$(TORCH_PYTHON)",\
	  @echo "DCGAN step against PyTorch not timed: make bench TORCH_PYTHON=an interpreter with torch")
	@echo "services in full take 20 minutes: $(BIN)/python -m benchmarks.serving, .swaps and .overload"
	@echo "queries and pages on ten million requests take half an hour: $(BIN)/python -m benchmarks.analytics --help, .dashboard --help"
	@echo "what a change costs a request: $(BIN)/python -m benchmarks.revisions --help"
	@echo "backbones in one table take 20 minutes: $(BIN)/python -m benchmarks.backbones --help"
	@echo "families of generators at equal time take an hour: $(BIN)/python -m benchmarks.generators --help"

lock:            ## write requirements.txt, and the images' parts of it, anew from pyproject.toml
	$(COMPILE) pyproject.toml --extra dev -o requirements.txt
	for image in $(IMAGES); do \
	  $(COMPILE) --group pyproject.toml:$$image -c requirements.txt --no-annotate \
	    -o docker/requirements/$$image.txt || exit 1; \
	done
	sed -n '/^nvidia-/,/[^\\]$$/p' docker/requirements/trainer-gpu.txt | cat docker/requirements/gpu.in - >requirements-gpu.txt

clean:           ## remove the environment; your data and models in var/ stay
	rm -rf .venv

.venv/ready: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "LeafGate needs Python 3.11: no '$(PYTHON)' on the PATH. Install it, or give it as make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "LeafGate needs Python 3.11, $(PYTHON) is another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --compile-bytecode --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	touch $@
