# One image for every target: docker run <image> serve --target=router
#
#   docker build -t switchyard:local .
#   buildah bud -t switchyard:local .
#
# Base images by build argument, for mirrors and hardened bases:
#   NODE_IMAGE      brings node and npm, for building; its node binary (24.9 or newer) is what the image runs.
#   BASE_IMAGE      below the finished image: glibc, libstdc++ and certificates. No shell, package manager or Node are needed of it.
#   PACKAGES_IMAGE  what `--target=npm-packages` once made, for builds without a network; see the README.
ARG NODE_VERSION=24.21.0
ARG NODE_IMAGE=docker.io/library/node:${NODE_VERSION}-bookworm-slim
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim
ARG PACKAGES_IMAGE=${NODE_IMAGE}

# --- manifests ------------------------------------------------------------------------------------------------------------
# By themselves, so that packages are installed again only when a manifest changes, not with every change of the sources.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /build
COPY libs libs
COPY services services
COPY test test
RUN find libs services test -type f ! -name package.json -delete && find libs services test -type d -empty -delete
COPY package.json package-lock.json .npmrc ./

# --- every package, and npm's cache of them ---------------------------------------------------------------------------------
FROM ${PACKAGES_IMAGE} AS npm-packages
WORKDIR /build
COPY --from=manifests /build ./
# Install scripts are not needed; see allowScripts in package.json. What PACKAGES_IMAGE has in its cache is not asked for again.
RUN npm ci --cache=/npm-cache --prefer-offline --ignore-scripts --no-audit --no-fund

# --- programs ---------------------------------------------------------------------------------------------------------------
FROM npm-packages AS programs
COPY .swcrc ./
COPY tools/build.mjs tools/
COPY libs libs
COPY services services
# dist and manifests, nothing else: no sources, no tests. The data folders are made here because the last stage runs nothing.
RUN node tools/build.mjs \
  && mkdir -p /image/app /image/data/switchyard /image/data/switchyard-catalog \
  && cp package.json /image/app/ \
  && find libs services -path '*/node_modules' -prune -o \( -path '*/dist/*' -o -name package.json \) -type f ! -name .build.json -print0 \
  | xargs -0 cp --parents -t /image/app

# --- packages at run time ---------------------------------------------------------------------------------------------------
FROM npm-packages AS packages
# Optional packages are Node binaries and the embedded database, both for machines without containers. Types and source maps of
# packages serve nobody at run time.
RUN npm ci --cache=/npm-cache --offline --ignore-scripts --no-audit --no-fund --omit=dev --omit=optional \
  && rm -rf node_modules/.cache node_modules/.package-lock.json \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

# --- node ---------------------------------------------------------------------------------------------------------------------
FROM ${NODE_IMAGE} AS node

# --- the image ----------------------------------------------------------------------------------------------------------------
FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Switchyard" \
  org.opencontainers.image.description="Self-hosted LLM gateway: one OpenAI-compatible API in front of every provider" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.base.name="${BASE_IMAGE}"
WORKDIR /app
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=packages /build/node_modules node_modules
COPY --from=programs /image/app ./
COPY LICENSE ./
# The folders exist so that volumes begin as this user's. Nothing else is ever written: the root file system may be read-only.
COPY --from=programs --chown=65532:65532 /image/data /var/lib
# A numeric user, so that a cluster can see that it is not root.
USER 65532:65532
ENV NODE_ENV=production \
  SWITCHYARD_BIND_HOST=0.0.0.0 \
  SWITCHYARD_HTTP_HOST=0.0.0.0 \
  SWITCHYARD_DATA_DIR=/var/lib/switchyard
# Public HTTP, gRPC between services, health and metrics.
EXPOSE 8080 9090 9091
# No shell in between: signals reach the program, which drains. Probes (/healthz, /readyz) instead of a HEALTHCHECK.
ENTRYPOINT ["/usr/local/bin/node", "/app/services/all/dist/main.js"]
CMD ["serve", "--target=all"]
