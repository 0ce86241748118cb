.PHONY: help run test crash histories bench lint check

help:
	@echo 'make run    the whole system on this machine, on a simulated Duo'
	@echo 'make test   the tests    make lint   gofmt, go vet, staticcheck'
	@echo 'make crash  kills, freezes and crowds for some minutes'
	@echo 'make histories FOR=1h  random histories under whatever Duo may answer'
	@echo 'make bench  the tables of internal/bench/README.md, five minutes'
	@echo 'make check  all that CI checks'

run:
	go run ./cmd/server local

test:
	go test ./...

crash:
	CRASH_KILLS=100 CROWD_SECONDS=60 CRASH_LONG=1 go test -count=1 -run 'Kill|Zombie|Crowd' -timeout 60m ./cmd/server

FOR = 10m
histories:
	cd internal/collect && go test -count=1 -run '^TestHistories$$' -timeout 0 -for $(FOR)

# The whole first, a time each; then the parts, for benchstat too.
bench:
	@{ go test -run '^$$' -bench 'Throughput|Latency|Memory|Start|Growth' -benchtime 1x -timeout 30m ./internal/bench; \
	BACKLOG_PAGES=2500 go test -run '^TestBacklog$$' -v -timeout 30m ./internal/bench; \
	go test -run '^$$' -bench Run ./internal/bench; \
	go test -run '^$$' -bench . -cpu 1 ./internal/collect ./internal/duo ./internal/writer; } | \
	tee bench.out | awk -f internal/bench/table.awk

lint:
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "run gofmt -w on: $$files"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

check:
	bash .ci/run
