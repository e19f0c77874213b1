# Short names for the scripts, which can also be run directly.
.PHONY: up test check bench bench-against bench-quick
up:
	./tools/up
test:
	./tools/test
check:
	.ci/run

# The benchmark, then docs/PERFORMANCE.md from it: about 45 minutes, less with SIZES=10000,100000 or ONLY=name.
ROUNDS ?= 5
SECONDS ?= 1
bench:
	cargo build --release --locked --bins --examples
	./tools/bench/run --rounds $(ROUNDS) --seconds $(SECONDS) $(if $(SIZES),--sizes $(SIZES)) $(if $(ONLY),--only "$(ONLY)")
	./tools/bench/report

# The program of these sources against an older build that was kept: make bench-against OLD=/tmp/tagd-old
bench-against:
	cargo build --release --locked --bins
	./tools/bench/run --against $(OLD) --control --rounds $(ROUNDS) --seconds $(SECONDS) $(if $(SIZES),--sizes $(SIZES)) $(if $(ONLY),--only "$(ONLY)")

# Only whether the benchmark runs, with the program that was built last: no figures, nothing written outside target/.
TAGD ?= $(firstword $(wildcard target/release/tagd) target/debug/tagd)
bench-quick:
	./tools/bench/run --quick --tagd $(TAGD)
