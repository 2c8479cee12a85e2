/**
 * This is a proxy that stands in front of a good gateway and spoils what passes: so a gateway with
 * one fault is made of one function.
 */
// deno-lint-ignore-file no-explicit-any

export interface Fault {
  /** A frame on its way to the bot; nothing: it is lost. */
  readonly toBot?: (frame: any) => any;
  /** A frame on its way to the gateway. */
  readonly toGateway?: (frame: any) => any;
  /** A piece of an HTTP answer. */
  readonly toPerson?: (text: string) => string;
  readonly closeCode?: (code: number) => number;
}

/** Serves a spoilt view of the gateway at `host`. */
export function crooked(host: string, fault: Fault) {
  const open = new Set<WebSocket>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    if (request.headers.get("upgrade") === "websocket") {
      return join(request, `ws://${host}${url.pathname}`, fault, open);
    }
    const headers = new Headers(request.headers);
    headers.delete("host");
    const body = request.body && await request.text();
    const answer = await fetch(`http://${host}${url.pathname}${url.search}`, {
      method: request.method,
      headers,
      body,
    });
    const { toPerson } = fault;
    const through = toPerson &&
      new TransformStream<string, string>({
        transform: (text, out) => out.enqueue(toPerson(text)),
      });
    const spoilt = through
      ? answer.body?.pipeThrough(new TextDecoderStream()).pipeThrough(through).pipeThrough(
        new TextEncoderStream(),
      )
      : answer.body;
    return new Response(spoilt, { status: answer.status, headers: answer.headers });
  });
  return {
    host: `127.0.0.1:${server.addr.port}`,
    /** Cuts every line, as a proxy does that is restarted. */
    cut() {
      for (const socket of open) socket.close();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.close();
      await server.shutdown();
    },
  };
}

function join(request: Request, url: string, fault: Fault, open: Set<WebSocket>): Response {
  const { socket: bot, response } = Deno.upgradeWebSocket(request);
  const gateway = new WebSocket(url);
  const waiting: string[] = [];
  const pass = (to: WebSocket, data: unknown, change?: (frame: any) => any) => {
    const text = change && typeof data === "string" && data.startsWith("{")
      ? changed(data, change)
      : data as string;
    if (text === undefined) return;
    if (to.readyState === WebSocket.CONNECTING) waiting.push(text);
    else if (to.readyState === WebSocket.OPEN) to.send(text);
  };
  for (const [one, other] of [[bot, gateway], [gateway, bot]] as const) {
    open.add(one);
    one.onerror = () => {};
    one.onclose = ({ code }) => {
      open.delete(one);
      const allowed = code === 1000 || (code >= 3000 && code < 5000)
        ? fault.closeCode?.(code) ?? code
        : undefined;
      if (other.readyState <= WebSocket.OPEN) other.close(allowed);
    };
  }
  gateway.onopen = () => {
    for (const text of waiting) gateway.send(text);
  };
  bot.onmessage = ({ data }) => pass(gateway, data, fault.toGateway);
  gateway.onmessage = ({ data }) => pass(bot, data, fault.toBot);
  return response;
}

function changed(text: string, change: (frame: any) => any): string | undefined {
  let frame: any;
  try {
    frame = JSON.parse(text);
  } catch {
    return text;
  }
  const made = change(frame);
  return made === undefined ? undefined : JSON.stringify(made);
}
