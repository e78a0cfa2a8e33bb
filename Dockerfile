# For those who have a container engine; `make release` makes the same image
# without one. Build for several platforms with docker buildx.
#   docker build --build-arg VERSION=v1.2.3 -t keda .
FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26.11 AS build
ARG TARGETOS TARGETARCH TARGETVARIANT VERSION=main COMMIT=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The image's folder is filled here, since the last stage has no shell.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} go build -trimpath -buildvcs=false \
      -ldflags "-s -w -buildid= -X github.com/kedago/keda/internal/version.number=$VERSION -X github.com/kedago/keda/internal/version.commit=$COMMIT" \
      -o /image/keda ./cmd/keda \
 && mkdir -p /image/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && printf 'root:x:0:0:root:/:/sbin/nologin\nkeda:x:65532:65532:keda:/:/sbin/nologin\n' >/image/etc/passwd \
 && printf 'root:x:0:\nkeda:x:65532:\n' >/image/etc/group

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
ENTRYPOINT ["/keda"]
