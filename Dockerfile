# Nexus as an image: `docker build -t nexus .`, then
#   docker run -p 17392:17392 -v nexus:/data nexus
# The first run prints the password and the bot token (`docker logs`). Configuration and database are in /data.

FROM denoland/deno:bin-2.9.6 AS deno

FROM debian:bookworm-slim AS build
COPY --from=deno /deno /usr/local/bin/deno
WORKDIR /src
COPY . .
# The program and the page as files that need nothing more: the image carries no sources and no package cache.
RUN deno run -A deploy/pack.ts --no-tarball

FROM debian:bookworm-slim
COPY --from=deno /deno /usr/local/bin/deno
COPY --from=build /src/dist/npm /app
# A user without a name, a shell or a home; only /data is its own.
RUN mkdir /data && chown 65532:65532 /data
ENV DENO_DIR=/tmp/deno \
    DENO_NO_UPDATE_CHECK=1 \
    NO_COLOR=1
USER 65532:65532
VOLUME /data
WORKDIR /data
EXPOSE 17392
# No curl in the image: Deno asks. PORT as the program reads it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["deno", "eval", "--no-lock", "--no-config", "const r = await fetch(`http://127.0.0.1:${Deno.env.get('PORT') ?? 17392}/livez`); Deno.exit(r.ok ? 0 : 1)"]
# Answers that are running are finished (drainTimeout, 30 s): give `docker stop` that time with -t 40.
STOPSIGNAL SIGTERM
ENTRYPOINT ["deno", "run", "-A", "--no-prompt", "--no-config", "--no-lock", "/app/nexus.js"]
CMD ["serve", "--dir", "/data"]
