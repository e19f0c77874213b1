# Short names for the scripts, which also run by themselves.
.PHONY: up test check bench bench-against bench-quick
up:
	./tools/up
test:
	./tools/test
check:
	.ci/run

# The benchmark, then docs/PERFORMANCE.md from it: some 35 minutes, and less with SIZES=10000,100000 or ONLY=name.
ROUNDS ?= 5
SECONDS ?= 1
bench:
	cargo build --release --locked --bins --examples
	./tools/bench/run --rounds $(ROUNDS) --seconds $(SECONDS) $(if $(SIZES),--sizes $(SIZES)) $(if $(ONLY),--only "$(ONLY)")
	./tools/bench/report

# The program of these sources against an older one, built before and kept: make bench-against OLD=/tmp/tagd-old
bench-against:
	cargo build --release --locked --bins
	./tools/bench/run --against $(OLD) --control --rounds $(ROUNDS) --seconds $(SECONDS) $(if $(SIZES),--sizes $(SIZES)) $(if $(ONLY),--only "$(ONLY)")

# Only whether the benchmark runs, with the program at hand: no figures, nothing written outside target/.
TAGD ?= $(firstword $(wildcard target/release/tagd) target/debug/tagd)
bench-quick:
	./tools/bench/run --quick --tagd $(TAGD)
