# Base images are pinned: nothing but a commit changes what is built on.
# deploy/renew-base-images.sh writes the digests of today.
#
# Dependencies come before the source, so that a change of the source downloads
# nothing.
FROM golang:1.26@sha256:9d2f36f06329b2a141b9db99ffa32765cf695ee57b813ca29e245e8670bcbfff AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The tags leave out Cloud Storage's gRPC client and gRPC's debugging pages, which
# the service does not use. They would double the binary.
ENV CGO_ENABLED=0 GOFLAGS=-tags=disable_grpc_modules,grpcnotrace
RUN go run ./deploy/licences /licences ./cmd/server
# The same source, VERSION and Go give the same bytes, whatever the directory.
ARG VERSION=dev
RUN go build -trimpath -buildvcs=false -ldflags="-s -w -X main.version=${VERSION:-dev}" -o /server ./cmd/server
RUN go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -std -noserial -notimestamp \
    -version="${VERSION:-dev}" -output=/sbom.cdx.json /server
# Beside the binary the image is the base below: the SBOM names that, too.
RUN base=$(sed -n 's/^FROM \(gcr\.io[^ ]*\)$/\1/p' Dockerfile) && name=${base%%[:@]*} && digest=${base##*@} && \
    component="\"bom-ref\": \"$base\", \"type\": \"container\", \"name\": \"$name\", \"version\": \"$digest\"" && \
    sed -i "s|^  \"components\": \[\$|&\n    {$component},|" /sbom.cdx.json && grep -qF "\"$digest\"" /sbom.cdx.json

FROM gcr.io/distroless/static-debian12:nonroot@sha256:afa5c872c891853ca7fcf1f12c3edb23f7eeef36189728842dd51042ff57f7ab
COPY --from=build /server /sbom.cdx.json /
COPY --from=build /licences /licences
# Go does not see the container's memory limit. An instance has 256 MiB; the rest
# is for memory outside the heap.
ENV GOMEMLIMIT=200MiB
USER 65532:65532
ENTRYPOINT ["/server"]
