# Short names for what CMake does; the presets are in CMakePresets.json.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
RELEASE := build/release

.PHONY: build test test-repeat demo install deps bench help dev asan tsan clang fuzz jepsen mutate soak lint format tidy coverage clean

build: ## build optimized binaries: grape, grenache and exchange in build/release/bin
	@tools/install-deps build
	@cmake --preset release
	@cmake --build $(RELEASE) -j $(JOBS)

test: build ## install what is missing, build, run every test that belongs to a build
	@tools/install-deps build test
	@cmake --build $(RELEASE) -j $(JOBS) --target tests
	@ctest --preset release -j $(JOBS) $(CTEST_ARGS)

test-repeat: N := 8
test-repeat: build ## run every test N times (default 8) in random order, with twice as many jobs as cores
	@tools/install-deps build test
	@cmake --build $(RELEASE) -j $(JOBS) --target tests
	@tests/repeat $(RELEASE) $(N) $(CTEST_ARGS)

demo: build ## two grapes, a Redis and `exchange --playbook` on free ports
	@tools/demo $(RELEASE)/bin

install: build ## install binaries, libraries and headers below PREFIX (default /usr/local)
	@cmake --install $(RELEASE) --prefix "$(PREFIX)"

deps: ## install the Debian or Ubuntu packages that are missing, for builds and tests
	@tools/install-deps build test

dev: PRESET := dev
asan: PRESET := asan
tsan: PRESET := tsan
clang: PRESET := clang
coverage: PRESET := coverage
dev asan tsan clang coverage: ## build and test with this preset (debug, sanitizers, clang, gcov)
	@tools/install-deps build test $(if $(filter tsan clang,$@),dev)
	@cmake --preset $(PRESET)
	@cmake --build build/$(PRESET) -j $(JOBS) --target all tests
	@ctest --preset $(PRESET) -j $(JOBS) $(CTEST_ARGS)

fuzz: SECONDS := 60
fuzz: ## run each fuzz target for SECONDS (default 60); crashers stay in build/fuzz/crashes
	@tools/install-deps build test dev
	@cmake --preset fuzz
	@cmake --build build/fuzz -j $(JOBS) --target fuzz_targets
	@tests/fuzz/run build/fuzz $(SECONDS)

jepsen: MINUTES := 10
jepsen: OUT = $(RELEASE)/jepsen
jepsen: JEPSEN = GRENACHE_BIN=$(RELEASE)/bin EXCHANGE_WITHOUT_FENCE=$(RELEASE)/tests/exchange_without_fence PYTHONDONTWRITEBYTECODE=1 \
  python3 tests/jepsen/jepsen.py $(SEED:%=--seed %)
jepsen: build ## break peers, Redis and the network at random for MINUTES (default 10) and check what must hold; SEED=N repeats the faults
	@tools/install-deps build test dev
	@cmake --build $(RELEASE) -j $(JOBS) --target exchange_without_fence
	@$(JEPSEN) --without-fence --out $(OUT)/without-fence
	@$(JEPSEN) --proxies --out $(OUT)/proxies
	@$(JEPSEN) --seconds $$(($(MINUTES) * 60)) --out $(OUT)/sentinel

soak: HOURS := 1
soak: SECONDS := $(shell echo $$(( $(HOURS) * 3600 )))
soak: build ## simulate exchanges with fresh seeds for HOURS (default 1) or SECONDS; a failing seed is printed as a command
	@tools/install-deps build test
	@cmake --build $(RELEASE) -j $(JOBS) --target exchange_sim
	@seq $(JOBS) | xargs -P $(JOBS) -I '{}' $(RELEASE)/tests/exchange_sim --seconds $(SECONDS)

bench: build ## measure beside the programs of others: a quarter of an hour, on a quiet machine
	@tools/install-deps build test dev
	@cmake --build $(RELEASE) -j $(JOBS) --target benches
	@tests/interop/packages $(abspath $(RELEASE))/interop
	@python3 tests/bench/udp.py --build $(RELEASE)
	@GRENACHE_BIN=$(RELEASE)/bin INTEROP_MODULES=$(RELEASE)/interop python3 tests/bench/grape_http.py
	@GRENACHE_BIN=$(RELEASE)/bin INTEROP_MODULES=$(RELEASE)/interop RPC_BENCH=$(RELEASE)/tests/rpc_bench \
	  BEAST_HELLO=$(RELEASE)/tests/beast_hello python3 tests/bench/rpc.py
	@GRENACHE_BIN=$(RELEASE)/bin EXCHANGE_BENCH=$(RELEASE)/tests/exchange_bench python3 tests/bench/exchange.py
	@GRENACHE_BIN=$(RELEASE)/bin EXCHANGE_BENCH=$(RELEASE)/tests/exchange_bench LEDGER_BENCH=$(RELEASE)/tests/ledger_bench \
	  python3 tests/bench/ledger.py
	@CREDIT_BENCH=$(RELEASE)/tests/credit_bench EXCHANGE_BENCH=$(RELEASE)/tests/exchange_bench python3 tests/bench/credit.py
	@$(RELEASE)/tests/book_bench
	@$(RELEASE)/tests/sync_bench

mutate: N := 300
mutate: build ## say how many of N wrong versions of exchange/core (default 300) the unit tests notice; MUTATE_ARGS='--seed 2'
	@tools/install-deps build test
	@tools/mutate --build $(RELEASE) --count $(N) --jobs $(JOBS) $(MUTATE_ARGS)

lint: ## check the house rules that a compiler does not
	@tools/lint.py

format: ## format all C++ files
	@git ls-files '*.hpp' '*.cpp' | xargs clang-format -i

tidy: ## run clang-tidy; ends with how often each check reports
	@tools/install-deps build test dev
	@cmake --preset clang >/dev/null
	@git ls-files 'proto/*.cpp' 'grape/*.cpp' 'exchange/*.cpp' | xargs -P $(JOBS) -n 4 clang-tidy -p build/clang --quiet >build/tidy.log 2>&1; status=$$?; \
	  grep -E '(error|warning):' build/tidy.log | sort -u; \
	  grep -E '(error|warning):' build/tidy.log | sort -u | grep -oE '\[[a-z0-9.-]+' | tr -d '[' | sort | uniq -c | sort -rn; \
	  exit $$status

clean: ## remove everything that was built
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z ]*:.*## / {printf "  make %-34s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
