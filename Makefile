.PHONY: help run test lint check

help:
	@echo 'make run    the whole system on this machine, on a simulated Duo'
	@echo 'make test   the tests    make lint   gofmt, go vet, staticcheck'
	@echo 'make check  all that CI checks'

run:
	go run ./cmd/server local

test:
	go test ./...

lint:
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "run gofmt -w on: $$files"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

check:
	bash .ci/run
