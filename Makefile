# Short names for the scripts, which also run by themselves.
.PHONY: up test check bench
up:
	./tools/up
test:
	./tools/test
check:
	.ci/run
bench:
	./tools/bench/textbook
