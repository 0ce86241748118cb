# Dependencies come before the source, so that a change of the source downloads
# nothing.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
# The tags leave out Cloud Storage's gRPC client and gRPC's debugging pages, which
# the service does not use. They would double the binary.
RUN CGO_ENABLED=0 go build -trimpath -tags=disable_grpc_modules,grpcnotrace \
    -ldflags="-s -w -X main.version=${VERSION:-dev}" -o /server ./cmd/server

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /server /server
# Go does not see the container's memory limit. An instance has 256 MiB; the rest
# is for memory outside the heap.
ENV GOMEMLIMIT=200MiB
USER 65532:65532
ENTRYPOINT ["/server"]
