/**
 * The nginx site does what it says: that very file, with addresses and certificate of the test, in
 * front of a real gateway. Answers come through piece by piece, a bot's WebSocket is upgraded, and
 * plain HTTP is sent to TLS.
 */
import assert from "node:assert/strict";
import { BOT_TOKEN, freePort, PASSWORD, start } from "./running.ts";
import { has, lacks } from "../needs.ts";

Deno.test({
  name: "nginx with the site of deploy/ passes streams on piece by piece, and a bot's WebSocket",
  ignore: await lacks("linux", "nginx", "openssl", "setsid"),
  async fn() {
    const gateway = await start(Deno.execPath(), [
      "run",
      "-A",
      new URL("../../main.ts", import.meta.url).pathname,
    ]);
    const nginx = await startNginx(gateway.port);
    let code: number | undefined;
    try {
      await redirects(nginx.plainPort);
      await hides(nginx, "/metrics");
      const token = await signIn(nginx);
      await streams(nginx, token);
      code = await gateway.stop();
      await asksToComeAgain(nginx);
    } finally {
      await nginx.stop();
      code ??= await gateway.stop();
    }
    assert.equal(code, 0);
  },
});

interface Nginx {
  readonly port: number;
  readonly plainPort: number;
  /** Trusts the certificate that was made for the test. */
  readonly client: Deno.HttpClient;
  stop(): Promise<void>;
}

async function startNginx(gatewayPort: number): Promise<Nginx> {
  const folder = await Deno.makeTempDir({ prefix: "nexus-nginx-" });
  const port = freePort(), plainPort = freePort();
  const made = await new Deno.Command("openssl", {
    args: [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
    ].concat(
      [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=CA:FALSE",
      ],
      ["-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`],
    ),
  }).output();
  assert.ok(made.success, new TextDecoder().decode(made.stderr));

  let site = await Deno.readTextFile(new URL("../../deploy/nginx.conf", import.meta.url));
  const changes: [string, string][] = [
    ["server 127.0.0.1:17392;", `server 127.0.0.1:${gatewayPort};`],
    ["listen 80;", `listen 127.0.0.1:${plainPort};`],
    ["listen [::]:80;", ""],
    ["listen 443 ssl http2;", `listen 127.0.0.1:${port} ssl http2;`],
    ["listen [::]:443 ssl http2;", ""],
    ["/etc/letsencrypt/live/chat.example.com/fullchain.pem", `${folder}/cert.pem`],
    ["/etc/letsencrypt/live/chat.example.com/privkey.pem", `${folder}/key.pem`],
  ];
  for (const [from, to] of changes) {
    assert.ok(site.includes(from), `deploy/nginx.conf has no line ${from}`);
    site = site.replace(from, to);
  }
  await Deno.writeTextFile(`${folder}/site.conf`, site);
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;\n` +
      `events { }\nhttp { access_log off; ${temp}\ninclude ${folder}/site.conf; }\n`,
  );
  const process = new Deno.Command(await has("nginx") ? "nginx" : "/usr/sbin/nginx", {
    args: ["-p", folder, "-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const client = Deno.createHttpClient({
    caCerts: [await Deno.readTextFile(`${folder}/cert.pem`)],
  });
  const stop = async () => {
    client.close();
    process.kill("SIGTERM");
    await process.status;
    await Deno.remove(folder, { recursive: true });
  };
  for (const until = Date.now() + 10_000; Date.now() < until;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return { port, plainPort, client, stop };
    } catch {
      // Not listening yet.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const said = await Deno.readTextFile(`${folder}/error.log`);
  await stop();
  throw new Error(`nginx does not listen:\n${said}`);
}

async function redirects(plainPort: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${plainPort}/api/me?x=1`, {
    redirect: "manual",
    headers: { host: "chat.example.com" },
  });
  await response.body?.cancel();
  assert.equal(response.status, 308);
  assert.match(response.headers.get("location") ?? "", /^https:\/\/[^/]+\/api\/me\?x=1$/);
}

async function hides({ port, client }: Nginx, path: string): Promise<void> {
  const response = await fetch(`https://localhost:${port}${path}`, { client });
  await response.body?.cancel();
  assert.equal(response.status, 404);
}

async function asksToComeAgain({ port, client }: Nginx): Promise<void> {
  const response = await fetch(`https://localhost:${port}/api/me`, { client });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "2");
  assert.equal((await response.json()).code, "shutting_down");
}

async function signIn({ port, client }: Nginx): Promise<string> {
  const response = await fetch(`https://localhost:${port}/api/login`, {
    client,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "alice", password: PASSWORD }),
  });
  assert.equal(response.status, 200);
  return (await response.json()).token;
}

/** A bot behind nginx says a piece only after the reader, also behind nginx, has the one before it: a buffer anywhere would stop both. */
async function streams({ port, client }: Nginx, token: string): Promise<void> {
  const socket = new WebSocket(`wss://localhost:${port}/bot-ws`, { client } as unknown as string[]);
  const closed = new Promise<void>((resolve) => socket.onclose = () => resolve());
  const frames = inbox(socket);
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = (event) =>
      reject(new Error(`the bot's socket: ${(event as ErrorEvent).message}`));
  });
  socket.send(JSON.stringify({ type: "register", botId: "b", botName: "B", token: BOT_TOKEN }));
  assert.equal((await frames("registered")).success, true);

  const asked = fetch(`https://localhost:${port}/api/chat/stream`, {
    client,
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ message: "say it in three pieces" }),
  });
  const { id } = await frames("chat");
  const say = (content: string, done: boolean) =>
    socket.send(
      JSON.stringify({ type: "reply", id: "1", replyTo: id, content, done, timestamp: Date.now() }),
    );
  const response = await asked;
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (const piece of ["one", "two", "three"]) {
    say(piece, piece === "three");
    while (!text.includes(`"content":"${piece}"`)) {
      const { value, done } = await reader.read();
      assert.ok(!done, `the stream ended before "${piece}": ${text}`);
      text += value;
    }
  }
  for (let end = await reader.read(); !end.done; end = await reader.read()) text += end.value;
  assert.match(text, /"type":"end"/);
  socket.close();
  await closed;
}

/** Waits for the next frame of a type. */
function inbox(socket: WebSocket): (type: string) => Promise<Record<string, unknown>> {
  const arrived: Record<string, unknown>[] = [];
  let wake = () => {};
  socket.onmessage = ({ data }) => {
    arrived.push(JSON.parse(data));
    wake();
  };
  return async (type) => {
    for (;;) {
      const index = arrived.findIndex((frame) => frame.type === type);
      if (index >= 0) return arrived.splice(index, 1)[0]!;
      await new Promise<void>((resolve) => wake = resolve);
    }
  };
}
