# The front door. CMake and Ninja build (CMakePresets.json); scripts/ sets up; this file names the
# usual things to do. Variables: JOBS (parallel compilations), PREFIX (make install), and
# SETUP=true to skip the set-up on a machine that is looked after in another way.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: help setup build everything quickstart test test-asan test-peers bench cuda-kernels docs plugins-out-of-tree install \
        format lint lint-tidy clean

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
SETUP ?= scripts/setup

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install what is missing: packages, LibTorch, the quickstart's model and text
	@$(SETUP)

build/%/build.ninja: CMakePresets.json | setup
	cmake --preset $*

build: setup build/release/build.ninja  ## set up and build the program and its plugins (the default)
	cmake --build --preset release --parallel $(JOBS) --target sdk/all framework/all plugins/all

everything: setup build/release/build.ninja  ## the same, and the tests and benchmarks
	cmake --build --preset release --parallel $(JOBS)

quickstart: build  ## train sparse autoencoders on a language model's activations; writes a report
	build/release/bin/saffron run recipes/quickstart.toml

test: everything  ## build and run every test
	ctest --preset release --parallel $(JOBS)

test-asan: setup build/asan-ubsan/build.ninja  ## the tests under AddressSanitizer and UBSan
	cmake --build --preset asan-ubsan --parallel $(JOBS)
	ctest --preset asan-ubsan --parallel $(JOBS)

test-peers: everything  ## the tests against other libraries, which live in a venv of their own
	@scripts/setup_peers
	SAFFRON_BUILD_DIR="$(CURDIR)/build/release" .venv-peers/bin/python -m pytest tests/peers

bench: everything  ## run the benchmarks (BENCH=name for one)
	scripts/run_benchmarks $(BENCH)

cuda-kernels: setup build/cuda/build.ninja  ## compile the CUDA kernels (needs nvcc; no GPU)
	cmake --build --preset cuda --parallel $(JOBS) --target saffron_ops_cuda

plugins-out-of-tree: build  ## every plugin on its own against an installed Saffron, and its contract
	scripts/build_plugins_out_of_tree

docs: build  ## write docs/reference again, from the schemas of the components
	env -u SAFFRON_PLUGIN_PATH XDG_DATA_HOME=/nonexistent \
	  build/release/bin/saffron reference -o docs/reference

install: build  ## install below PREFIX (default /usr/local)
	cmake --install build/release --prefix "$(PREFIX)"

format:  ## format every C++ file in place
	@scripts/format_cpp -i

lint:  ## fail on any C++ file that is not formatted
	@scripts/format_cpp --dry-run -Werror

lint-tidy: everything  ## clang-tidy on the C++ files that differ from HEAD (ALL=1: on every file)
	@scripts/tidy_cpp $(if $(ALL),--all)

clean:  ## remove build/ (set-up, models, data and runs stay)
	rm -rf build
