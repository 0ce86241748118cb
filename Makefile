.PHONY: help run test crash histories scale bench lint check

help:
	@echo 'make run    run the whole system on this machine, with a simulated Duo'
	@echo 'make test   run the tests'
	@echo 'make lint   run gofmt, go vet and staticcheck'
	@echo 'make crash  kill, freeze and crowd real processes, for some minutes'
	@echo 'make histories FOR=1h  try random histories with whatever Duo may answer'
	@echo 'make scale  kill the collector of 1,000 accounts twenty times, for many minutes'
	@echo 'make bench  take the tables of internal/bench/README.md, five minutes'
	@echo 'make check  run everything that CI runs'

run:
	go run ./cmd/server local

test:
	go test ./...

crash:
	CRASH_KILLS=100 CROWD_SECONDS=60 CRASH_LONG=1 go test -count=1 -run 'Kill|Zombie|Crowd' -timeout 60m ./cmd/server

FOR = 10m
histories:
	cd internal/collect && go test -count=1 -run '^TestHistories$$' -timeout 0 -for $(FOR)

scale:
	SCALE_ACCOUNTS=1000 SCALE_KILLS=20 go test -count=1 -run '^TestScale$$' -v -timeout 120m ./internal/bench

# The whole service first, each benchmark once; then its parts, for benchstat too.
bench:
	@{ go test -run '^$$' -bench 'Throughput|Latency|Memory|Start|Growth|Streams|Scale|Status' -benchtime 1x -timeout 30m ./internal/bench; \
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
