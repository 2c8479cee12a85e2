/**
 * This is what the gateway tells by itself, over one stream for all tabs of a browser.
 *
 * A browser opens six connections to a server that speaks HTTP/1.1, and a stream takes one for as
 * long as it runs. So one tab, which holds a lock, reads the stream and passes on what it hears;
 * the others wait for the lock. A tab that is closed lets go of it, and the next reads on from the
 * last number it was passed. Where the browser has no locks (plain HTTP but on localhost), each tab
 * reads for itself.
 */
import type { BotCard } from "../bot_name.ts";
import type { GatewayClient, GatewayError } from "../gateway_client.ts";
import { retryDelay, type RetrySleeper } from "../retry_sleeper.ts";

/** What the gateway tells, as it comes. */
export type Notice =
  | { type: "bots"; bots: BotCard[] }
  | { type: "turn"; turnId: string; conversationId: string }
  | { type: "turn_end"; turnId: string; conversationId: string; status: string }
  | {
    type: "push";
    turnId: string;
    conversationId: string;
    botId: string;
    botName: string;
    content: string;
    images?: string[];
  }
  | { type: "conversation"; conversationId: string; change: string };

/** `away`: nobody reachable. `shaky`: the line broke a moment ago. */
export type ConnectionState = "good" | "shaky" | "away";

/** What tabs say to each other. */
type TabMessage =
  /** An event of the stream. */
  | { readonly kind: "notice"; readonly id: string; readonly notice: Notice }
  /** How the reader's line is. `again`: what happened while it was broken was not told. */
  | { readonly kind: "line"; readonly line: ConnectionState; readonly again: boolean }
  /** A tab asks whether somebody reads. */
  | { readonly kind: "who" }
  /** The reader says so, and where it is. */
  | {
    readonly kind: "here";
    readonly id: string;
    readonly line: ConnectionState;
    readonly bots: BotCard[] | undefined;
  };

/** What the rest of the page is told. */
export interface NewsListener {
  notice(notice: Notice): void;
  connection(line: ConnectionState): void;
  /** The line is good. `again`: what happened while it was broken was not told. */
  reconnected(again: boolean): void;
}

/**
 * Milliseconds in which a reader answers; one that does not was put to sleep by its browser, and
 * the lock is taken from it.
 */
const READER_TIMEOUT_MS = 4000;

export class NewsFeed {
  readonly #gateway: GatewayClient;
  readonly #retrySleeper: RetrySleeper;
  readonly #listener: NewsListener;
  #channel: BroadcastChannel | undefined;
  /** While the lock is ours; aborts when another tab takes it. */
  #reading: AbortController | undefined;
  /** The number of the last event, by which the stream is read on. */
  #last = "";
  #line: ConnectionState = "good";
  #bots: BotCard[] | undefined;
  #connection = new AbortController();
  /** Ends waiting for the lock, to take it. */
  #impatient = new AbortController();
  #doubt: ReturnType<typeof setTimeout> | undefined;

  constructor(
    parts: { gateway: GatewayClient; retrySleeper: RetrySleeper; listener: NewsListener },
  ) {
    this.#gateway = parts.gateway;
    this.#retrySleeper = parts.retrySleeper;
    this.#listener = parts.listener;
  }

  /** Hears until `session` aborts, or until the gateway no longer knows who asks. */
  async listen(person: string, session: AbortSignal): Promise<void> {
    this.#last = "";
    this.#bots = undefined;
    // The standalone file has a token of its own in each tab, and perhaps another gateway.
    if (
      this.#gateway.token !== undefined || !navigator.locks ||
      typeof BroadcastChannel !== "function"
    ) {
      return await this.#read(session);
    }
    const name = `nexus.news.${person}`;
    const channel = new BroadcastChannel(name);
    this.#channel = channel;
    channel.onmessage = ({ data }) => this.#hear(data as TabMessage);
    this.#ask();
    try {
      await this.#takeTurns(name, session);
    } finally {
      clearTimeout(this.#doubt);
      channel.close();
      if (this.#channel === channel) this.#channel = undefined;
    }
  }

  /** The network or the window is back. `hard`: a line that looks alive may be dead. */
  resume(hard: boolean): void {
    if (this.#channel && !this.#reading) return this.#ask();
    if (hard) this.#reconnect();
  }

  #reconnect(): void {
    this.#connection.abort();
    this.#connection = new AbortController();
  }

  /*
   * ── among tabs
   * ────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /** Waits for the lock and reads while it is ours. */
  async #takeTurns(name: string, session: AbortSignal): Promise<void> {
    let steal = false;
    while (!session.aborted) {
      const mine = new AbortController();
      const waiting = AbortSignal.any([session, this.#impatient.signal]);
      try {
        await navigator.locks.request(name, steal ? { steal } : { signal: waiting }, async () => {
          this.#reading = mine;
          clearTimeout(this.#doubt);
          this.#sayHere();
          await this.#read(AbortSignal.any([session, mine.signal]));
        });
        return;
      } catch {
        // Given up waiting, or another tab took it from us: either way we queue again, or take it.
        mine.abort();
        steal = this.#impatient.signal.aborted;
        if (steal) this.#impatient = new AbortController();
      } finally {
        if (this.#reading === mine) this.#reading = undefined;
      }
    }
  }

  /** Makes sure that somebody reads. */
  #ask(): void {
    if (this.#reading) return;
    clearTimeout(this.#doubt);
    this.#say({ kind: "who" });
    this.#doubt = setTimeout(() => {
      // Nobody is in a hurry to hear what nobody sees.
      if (!this.#reading && document.visibilityState === "visible") this.#impatient.abort();
    }, READER_TIMEOUT_MS);
  }

  #sayHere(): void {
    this.#say({ kind: "here", id: this.#last, line: this.#line, bots: this.#bots });
  }

  #say(word: TabMessage): void {
    this.#channel?.postMessage(word);
  }

  #hear(word: TabMessage): void {
    if (word.kind === "who") {
      if (this.#reading) this.#sayHere();
      return;
    }
    // Two tabs read for a moment when one takes the lock from another that wakes up.
    if (this.#reading) return;
    clearTimeout(this.#doubt);
    switch (word.kind) {
      case "here":
        if (word.id) this.#last = word.id;
        this.#setLine(word.line);
        if (word.bots) this.#take({ type: "bots", bots: word.bots }, "");
        return;
      case "line":
        this.#setLine(word.line);
        if (word.line === "good") this.#listener.reconnected(word.again);
        return;
      case "notice":
        this.#take(word.notice, word.id);
    }
  }

  #take(notice: Notice, id: string): void {
    if (id) this.#last = id;
    if (notice.type === "bots") this.#bots = notice.bots;
    this.#listener.notice(notice);
  }

  #setLine(line: ConnectionState): void {
    this.#line = line;
    this.#listener.connection(line);
  }

  /*
   * ── the stream
   * ────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  async #read(until: AbortSignal): Promise<void> {
    let tries = 0;
    while (!until.aborted) {
      try {
        const signal = AbortSignal.any([until, this.#connection.signal]);
        const headers = this.#last ? { "last-event-id": this.#last } : undefined;
        const opened = () => this.#tellLine("good", tries > 0);
        for await (
          const event of this.#gateway.stream("/api/events", { signal, headers, opened })
        ) {
          if (until.aborted) return;
          tries = 0;
          this.#pass(JSON.parse(event.data) as Notice, event.id);
        }
        // The gateway ended it (a restart, or its own bound): come back.
        tries = Math.max(tries, 1);
      } catch (error) {
        if (until.aborted || (error as GatewayError).status === 401) return;
        if ((error as GatewayError).status === 404) return await this.#poll(until);
        tries++;
      }
      if (tries > 3 || (!navigator.onLine && tries > 0)) this.#tellLine("away");
      else if (tries > 1) this.#tellLine("shaky");
      await this.#retrySleeper.sleep(retryDelay(tries - 1), until);
    }
  }

  /** For a gateway without `/api/events`. */
  async #poll(until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      try {
        const { bots } = await this.#gateway.get<{ bots: BotCard[] }>("/api/bots");
        this.#pass({ type: "bots", bots }, "");
        this.#tellLine("good");
      } catch (error) {
        if ((error as GatewayError).status === 401) return;
        this.#tellLine("shaky");
      }
      await this.#retrySleeper.sleep(5000, until);
    }
  }

  /**
   * To the others first: if this tab ends in between, the next reader asks for what they did not
   * get.
   */
  #pass(notice: Notice, id: string): void {
    this.#say({ kind: "notice", id, notice });
    this.#take(notice, id);
  }

  #tellLine(line: ConnectionState, again = false): void {
    this.#say({ kind: "line", line, again });
    this.#setLine(line);
    if (line === "good") this.#listener.reconnected(again);
  }
}
