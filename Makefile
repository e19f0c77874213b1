# Short names for the scripts, which also run by themselves.
.PHONY: up test check bench
up:
	./tools/up
test:
	./tools/test
check:
	.ci/run

# A million resources with five tags each, beside textbook SQL; RESOURCES=100000 for a quick look.
RESOURCES ?= 1000000
bench: target/fleet-$(RESOURCES).ndjson
	cargo build --release --locked
	./tools/bench/textbook $<
target/fleet-%.ndjson: tools/bench/fleet.py
	mkdir -p target
	./tools/bench/fleet.py $* > $@
