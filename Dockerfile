# One image for every target: docker run <image> serve --target=router
#
# The base image only has to bring Node 24.9 or newer and glibc.
ARG NODE_IMAGE=node:24-bookworm-slim

# --- manifests ------------------------------------------------------------------------------------------------------------
# By themselves, so that packages are installed again only when a manifest changes, not with every change of the sources.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /build
COPY libs libs
COPY services services
COPY test test
RUN find libs services test -type f ! -name package.json -delete
COPY package.json package-lock.json .npmrc ./

# --- packages and programs -------------------------------------------------------------------------------------------------
FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY --from=manifests /build ./
# Install scripts are not needed; see allowScripts in package.json.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY .swcrc ./
COPY tools/build.mjs tools/
COPY libs libs
COPY services services
RUN node tools/build.mjs

# --- packages at run time --------------------------------------------------------------------------------------------------
FROM ${NODE_IMAGE} AS packages
WORKDIR /build
COPY --from=manifests /build ./
# Optional packages are Node binaries and the embedded database, both for machines without containers.
RUN npm ci --ignore-scripts --no-audit --no-fund --omit=dev --omit=optional && rm -rf node_modules/.cache

# --- what the image holds of ours ------------------------------------------------------------------------------------------
FROM build AS programs
# dist and manifests, nothing else: no sources, no tests.
RUN mkdir -p /programs \
  && cp package.json /programs/ \
  && find libs services -path '*/node_modules' -prune -o \( -path '*/dist/*' -o -name package.json \) -type f ! -name .build.json -print0 \
  | xargs -0 cp --parents -t /programs

# --- the image -------------------------------------------------------------------------------------------------------------
FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Switchyard" \
  org.opencontainers.image.description="Self-hosted LLM gateway: one OpenAI-compatible API in front of every provider" \
  org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=packages /build/node_modules node_modules
COPY --from=programs /programs ./
COPY LICENSE ./
# A numeric user, so that a cluster can see that it is not root. The folders exist so that volumes begin as theirs.
RUN mkdir -p /var/lib/switchyard /var/lib/switchyard-catalog && chown 65532:65532 /var/lib/switchyard /var/lib/switchyard-catalog
USER 65532:65532
ENV NODE_ENV=production \
  SWITCHYARD_BIND_HOST=0.0.0.0 \
  SWITCHYARD_HTTP_HOST=0.0.0.0 \
  SWITCHYARD_DATA_DIR=/var/lib/switchyard
# Public HTTP, gRPC between services, health and metrics.
EXPOSE 8080 9090 9091
VOLUME ["/var/lib/switchyard"]
# No shell in between: signals reach the program, which drains.
ENTRYPOINT ["node", "/app/services/all/dist/main.js"]
CMD ["serve", "--target=all"]
