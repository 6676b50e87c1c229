# The service as one static binary on an empty image. It writes to no file, so
# it runs with a read-only root; whoever orchestrates it asks /healthz and
# /readyz (there is no shell here for a HEALTHCHECK).
#
#   docker build --build-arg RELEASE=$(git describe --tags --always) -t gerbang .
#   docker run --read-only --env-file gerbang.env -p 8080:8080 gerbang
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG RELEASE=
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
        -ldflags "-s -w -X main.release=${RELEASE}" -o /out/server ./cmd/server \
    && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/zoneinfo.zip

FROM scratch
LABEL org.opencontainers.image.title="Gerbang" \
      org.opencontainers.image.description="Takes an Indonesian customer from a filled-in form to a decision" \
      org.opencontainers.image.source="https://github.com/gerbang-id/gerbang"
# The vendors' certificates are checked against these; TZ decides the log's time.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/zoneinfo.zip /zoneinfo.zip
COPY --from=build /out/server /server
ENV ZONEINFO=/zoneinfo.zip TZ=UTC
# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/server"]
CMD ["serve"]
