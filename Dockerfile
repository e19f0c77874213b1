# tagd as an image: built with the Rust toolchain, run on a small Debian as an ordinary user.
# It contains no Postgres: give it a DATABASE_URL (docker-compose.yml has both). docs/OPERATIONS.md, "Docker".

# Other images with the same content, such as those of a mirror.
ARG BUILDER=rust:1-bookworm
ARG BASE=debian:bookworm-slim

FROM ${BUILDER} AS builder
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs sqlx-data.json ./
COPY migrations migrations
COPY src src
# The caches shorten a second build. They are not part of the image, so the program is copied out of them, without what only
# a debugger reads. The names of functions stay: a backtrace needs them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tagd \
 && objcopy --only-keep-debug target/release/tagd /tagd.debug \
 && objcopy --strip-debug --add-gnu-debuglink=/tagd.debug target/release/tagd /tagd

# The debug information of the same program: docker build --target debug --output . .
FROM scratch AS debug
COPY --from=builder /tagd.debug /

FROM ${BASE}
# The root certificates for TLS connections to the database and to Keystone.
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=builder /tagd /usr/local/bin/tagd
# By number: an orchestrator that requires a user other than root cannot check a name. Any other works too, since tagd
# writes no file here.
USER 10001:10001
# Asks the server that the environment of the container describes.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["tagd", "health"]
ENTRYPOINT ["tagd"]
# Listening outside the container has to be requested, as docker-compose.yml does.
CMD ["serve"]
