/**
 * This is the least gateway that a test can steer by hand: it keeps what each socket sent, as
 * parsed JSON, and says what it is told to say. It decides nothing by itself.
 */
// deno-lint-ignore-file no-explicit-any

/** One accepted socket. */
export class ToyConnection {
  readonly frames: any[] = [];
  readonly raw: string[] = [];
  closed: { code: number; reason: string } | undefined;
  #waiting: (() => void)[] = [];
  /** Index of the first frame that {@linkcode next} has not handed out. */
  #taken = 0;

  constructor(readonly socket: WebSocket) {
    socket.onmessage = ({ data }) => {
      this.raw.push(data);
      this.frames.push(JSON.parse(data));
      this.#wake();
    };
    socket.onclose = ({ code, reason }) => {
      this.closed ??= { code, reason };
      this.#wake();
    };
    socket.onerror = () => {};
  }

  say(frame: unknown): void {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /**
   * The next frame of that type that has not been handed out; others in between are passed over.
   */
  async next(type: string): Promise<any> {
    while (true) {
      while (this.#taken < this.frames.length) {
        const frame = this.frames[this.#taken++];
        if (frame.type === type) return frame;
      }
      if (this.closed) throw new Error(`closed (${this.closed.code}) before a ${type} frame came`);
      await this.#more();
    }
  }

  /** Resolves once `holds` does; it is asked again with every frame and at the close. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.closed) throw new Error(`closed (${this.closed.code}) before it came true`);
      await this.#more();
    }
  }

  async gone(): Promise<{ code: number; reason: string }> {
    while (!this.closed) await this.#more();
    return this.closed;
  }

  /** The text of a turn, as a gateway that drops repeats would join it. */
  text(turn: string, from = 0): string {
    const replies = this.frames.filter((frame) =>
      frame.type === "reply" && frame.replyTo === turn && !frame.kind
    );
    return replies.slice(from).map((frame) => [frame.content].flat().join("")).join("");
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export interface ToyGateway extends AsyncDisposable {
  readonly url: string;
  /** The next socket that nobody has taken yet. */
  line(): Promise<ToyConnection>;
  /** The same, after it registered and was taken in with these fields. */
  welcome(fields?: Record<string, unknown>): Promise<ToyConnection & { registration: any }>;
}

/**
 * What a version-2 gateway says; figures small enough that nothing in a test waits for them by
 * accident.
 */
export const WELCOME = {
  type: "registered",
  success: true,
  protocol: 2,
  maxFrame: 1 << 20,
  pingInterval: 60_000,
  botTimeout: 120_000,
  grace: 15_000,
  features: ["ack", "resume", "cancel", "fail", "push", "status", "kinds", "batch", "images"],
};

export function toyGateway(): ToyGateway {
  const lines: ToyConnection[] = [];
  const waiting: ((line: ToyConnection) => void)[] = [];
  const open = new Set<WebSocket>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    const line = new ToyConnection(socket);
    open.add(socket);
    socket.addEventListener("close", () => open.delete(socket));
    const take = waiting.shift();
    if (take) take(line);
    else lines.push(line);
    return response;
  });
  const line = () =>
    lines.length > 0
      ? Promise.resolve(lines.shift()!)
      : new Promise<ToyConnection>((take) => waiting.push(take));
  return {
    url: `ws://127.0.0.1:${server.addr.port}`,
    line,
    async welcome(fields = {}) {
      const taken = await line();
      const registration = await taken.next("register");
      taken.say({ ...WELCOME, ...fields });
      return Object.assign(taken, { registration });
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.close(1001);
      await server.shutdown();
    },
  };
}
