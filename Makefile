.PHONY: help run test crash lint check

help:
	@echo 'make run    the whole system on this machine, on a simulated Duo'
	@echo 'make test   the tests    make lint   gofmt, go vet, staticcheck'
	@echo 'make crash  kills, freezes and crowds for some minutes'
	@echo 'make check  all that CI checks'

run:
	go run ./cmd/server local

test:
	go test ./...

crash:
	CRASH_KILLS=100 CROWD_SECONDS=60 CRASH_LONG=1 go test -count=1 -run 'Kill|Zombie|Crowd' -timeout 60m ./cmd/server

lint:
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "run gofmt -w on: $$files"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

check:
	bash .ci/run
