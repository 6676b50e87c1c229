# Everything a developer does. `make` alone lists it.
.POSIX:
.PHONY: help run demo build test race lint diagram clean soak

help:
	@echo 'make run      a private Postgres, the sandbox and the service, until Ctrl-C'
	@echo 'make demo     sample customers down every path, on a fresh stack'
	@echo 'make build    bin/server'
	@echo 'make test     all tests, on a real Postgres'
	@echo 'make race     the same with the race detector (slow; needs a C compiler)'
	@echo 'make soak     every crash, zombie and seeded bug of internal/proof, for 20 minutes or GERBANG_SOAK_MINUTES'
	@echo 'make lint     golangci-lint, formatting, the OpenAPI document'
	@echo 'make diagram  docs/states.md, from the table in internal/fsm'
	@echo 'make clean    remove what was built; .gerbang/ keeps its data'

run: build
	@scripts/ensure-postgres
	bin/server dev

demo:
	@scripts/ensure-postgres
	go run ./cmd/demo

build:
	CGO_ENABLED=0 go build -trimpath \
		-ldflags "-s -w -X main.release=$$(git describe --tags --always --dirty 2>/dev/null)" \
		-o bin/server ./cmd/server

test:
	@scripts/ensure-postgres
	go test -timeout 10m ./...

race:
	@scripts/ensure-postgres
	go test -race -timeout 20m ./...

lint: bin/golangci-lint
	bin/golangci-lint config verify
	bin/golangci-lint run
	scripts/lint-openapi

# Pinned in a module of its own: its dependencies are not ours.
bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && go build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

diagram: build
	bin/server diagram >docs/states.md

clean:
	rm -rf bin

soak:
	@scripts/ensure-postgres
	scripts/check-model
	GERBANG_SOAK=1 go test -count=1 -timeout 4h -v ./internal/proof/... ./internal/resumer/...
