# tagd as an image: built with the Rust toolchain, run on a small Debian as an ordinary user.
# It contains no Postgres: give it a DATABASE_URL (docker-compose.yml has both).

FROM rust:1-bookworm AS builder
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs sqlx-data.json ./
COPY migrations migrations
COPY src src
# The caches shorten a second build. They are not part of the image, so the program is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tagd \
 && cp target/release/tagd /usr/local/bin/tagd

FROM debian:bookworm-slim
# The root certificates for TLS connections to the database.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tagd
COPY --from=builder /usr/local/bin/tagd /usr/local/bin/tagd
# By number: an orchestrator that requires a user other than root cannot check a name.
USER 10001
ENTRYPOINT ["tagd"]
# Listening outside the container has to be requested, as docker-compose.yml does.
CMD ["serve"]
