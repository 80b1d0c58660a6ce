.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Programs are the folders with a main.go under a cmd/. They are built without
# cgo, because Beam cross-compiles workers that way; but for those that link
# DuckDB, which run on this machine only.
WITH_DUCKDB := pipelines/cmd/local sql/cmd/sql
PROGRAMS := $(filter-out $(WITH_DUCKDB),$(patsubst %/main.go,%,$(wildcard */cmd/*/main.go)))

GOLANGCI := go tool -modfile=tools/go.mod golangci-lint
ARGS ?=
FUZZTIME ?= 30s
BENCH ?= .
BENCHTIME ?= 1s
KILLS ?= 34
MINUTES ?= 30
RATE ?= 10000

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: ## broker, simulated shop and streaming pipeline on this machine; ARGS="--duration=20s --data=DIR"
	go run ./pipelines/cmd/local $(ARGS)

.PHONY: build
build: ## every program into bin/
	mkdir -p bin
	for p in $(PROGRAMS); do CGO_ENABLED=0 go build -trimpath -o bin/ ./$$p; done
	for p in $(WITH_DUCKDB); do go build -trimpath -o bin/ ./$$p; done

.PHONY: test
test: ## all tests
	go test -timeout 25m ./...

.PHONY: race
race: ## all tests under the race detector, the long ones left out
	go test -race -short -timeout 20m ./...

.PHONY: lint
lint: ## no built programs in git, vet, linters and format (.golangci.yml), programs without cgo, a tidy go.mod
	big=$$(git ls-files -z | xargs -0 -r du -k 2>/dev/null | awk '$$1 > 512'); [[ -z "$$big" ]] || { printf 'make lint: too large for git (KB):\n%s\n' "$$big" >&2; exit 1; }
	go vet -tags integration ./...
	$(GOLANGCI) run --build-tags integration
	for p in $(PROGRAMS); do CGO_ENABLED=0 go build -o /dev/null ./$$p; done
	go mod tidy -diff

.PHONY: fmt
fmt: ## rewrite the files that lint would call badly formatted
	$(GOLANGCI) fmt

# A target is found by its declaration, so that a new one needs no list.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	targets=$$(grep -rE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort); \
	[[ -n "$$targets" ]] || { echo "make fuzz: no fuzz target found" >&2; exit 1; }; \
	while read -r pkg name; do \
		echo "fuzz $$pkg $$name for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
	done <<<"$$targets"

.PHONY: bench
bench: ## CPU time and memory of the streaming job beside a plain Go program; ARGS="--events=500000 --format=json"
	go run ./pipelines/bench $(ARGS)

.PHONY: bench-gold
bench-gold: ## CPU time and memory of gold beside DuckDB and PySpark; ARGS="--events=2000000 --runs=1"
	go run ./pipelines/bench/gold $(ARGS)

.PHONY: bench-trees
bench-trees: ## CPU time and memory of the trees beside xgboost; ARGS="--rows=1000000 --trees=200 --python=venv/bin/python"
	go run ./ml/trees/bench $(ARGS)

.PHONY: microbench
microbench: ## Go benchmarks; BENCH=regexp BENCHTIME=1s
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

# All tests whose name starts so run, also those that need root (disks).
.PHONY: faults
faults: ## KILLS=34 a stream, full and slow disks, a failing bucket, clocks; SHOPSTREAM_SEED repeats a run
	CI=1 SHOPSTREAM_KILLS=$(KILLS) SHOPSTREAM_GOLD_KILLS=50 SHOPSTREAM_BUCKET_EVENTS=100000 go test -tags integration ./pipelines -count=1 -timeout 3h -v \
		-run '^Test(Killed|LakeInABucket|Disk|SlowDisk|Damaged|ClockJumps)' | grep --line-buffered -v level=

.PHONY: damage
damage: ## every kind of object of a lake damaged in five ways, and every program that reads it asked
	SHOPSTREAM_DAMAGE=all go test ./pipelines -run '^TestDamageCampaign$$' -count=1 -timeout 2h -v | grep --line-buffered -v level=

.PHONY: soak
soak: ## the streaming job live for 30 minutes; MINUTES=30 RATE=10000
	SHOPSTREAM_SOAK_MINUTES=$(MINUTES) SHOPSTREAM_SOAK_RATE=$(RATE) go test -tags integration ./pipelines -run '^TestSoak$$' -count=1 -timeout 3h -v

.PHONY: integration
integration: ## the checks that are too long for test
	.ci/integration
