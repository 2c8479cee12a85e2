/**
 * The gateway's news: bots that come and go, messages that bots send by themselves, turns that
 * began elsewhere. All tabs of a browser share one stream.
 *
 * A browser opens six connections to an HTTP/1.1 server, and each stream takes one. So one tab
 * holds a lock, reads the stream and passes the notices on; the others wait for the lock. When that
 * tab is closed, the next one gets the lock and continues at the last notice it received. A browser
 * without locks (plain HTTP outside of localhost) reads one stream per tab.
 */
import type { BotJson, NoticeJson } from "../../wire/chat.ts";
import type { GatewayClient, GatewayError } from "../gateway_client.ts";
import { retryDelay, type RetrySleeper } from "../retry_sleeper.ts";

/** `reconnecting`: the connection broke a moment ago. `offline`: several tries have failed. */
export type ConnectionState = "connected" | "reconnecting" | "offline";

/** A message between tabs. */
type TabMessage =
  /** An event of the stream. */
  | { readonly kind: "notice"; readonly id: string; readonly notice: NoticeJson }
  /** The state of the reader's stream. `again`: the notices of an interruption are missing. */
  | { readonly kind: "connection"; readonly state: ConnectionState; readonly again: boolean }
  /** Asks whether a tab reads the stream. */
  | { readonly kind: "who" }
  /** The reader answers, with its position. */
  | {
    readonly kind: "here";
    readonly id: string;
    readonly state: ConnectionState;
    readonly bots: readonly BotJson[] | undefined;
  };

/** Receives the news. */
export interface NewsListener {
  notice(notice: NoticeJson): void;
  connection(state: ConnectionState): void;
  /** The stream is open. `again`: the notices of an interruption are missing. */
  reconnected(again: boolean): void;
}

/**
 * A reader answers within this time. If it does not, its browser has put it to sleep, and another
 * tab takes the lock.
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
  #state: ConnectionState = "connected";
  #bots: readonly BotJson[] | undefined;
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

  /** Listens until `session` aborts, or until the gateway rejects the session. */
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
    channel.onmessage = ({ data }) => this.#onMessage(data as TabMessage);
    this.#ask();
    try {
      await this.#takeTurns(name, session);
    } finally {
      clearTimeout(this.#doubt);
      channel.close();
      if (this.#channel === channel) this.#channel = undefined;
    }
  }

  /** The network or the window is back. `hard`: a stream that looks alive may be dead. */
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
    this.#say({ kind: "here", id: this.#last, state: this.#state, bots: this.#bots });
  }

  #say(message: TabMessage): void {
    this.#channel?.postMessage(message);
  }

  #onMessage(message: TabMessage): void {
    if (message.kind === "who") {
      if (this.#reading) this.#sayHere();
      return;
    }
    // Two tabs read for a moment when one takes the lock from another that wakes up.
    if (this.#reading) return;
    clearTimeout(this.#doubt);
    switch (message.kind) {
      case "here":
        if (message.id) this.#last = message.id;
        this.#setState(message.state);
        if (message.bots) this.#take({ type: "bots", bots: message.bots }, "");
        return;
      case "connection":
        this.#setState(message.state);
        if (message.state === "connected") this.#listener.reconnected(message.again);
        return;
      case "notice":
        this.#take(message.notice, message.id);
    }
  }

  #take(notice: NoticeJson, id: string): void {
    if (id) this.#last = id;
    if (notice.type === "bots") this.#bots = notice.bots;
    this.#listener.notice(notice);
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#listener.connection(state);
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
        const opened = () => this.#publishState("connected", tries > 0);
        for await (
          const event of this.#gateway.stream("/api/events", { signal, headers, opened })
        ) {
          if (until.aborted) return;
          tries = 0;
          this.#pass(JSON.parse(event.data) as NoticeJson, event.id);
        }
        // The gateway ended it (a restart, or its own bound): come back.
        tries = Math.max(tries, 1);
      } catch (error) {
        if (until.aborted || (error as GatewayError).status === 401) return;
        if ((error as GatewayError).status === 404) return await this.#poll(until);
        tries++;
      }
      if (tries > 3 || (!navigator.onLine && tries > 0)) this.#publishState("offline");
      else if (tries > 1) this.#publishState("reconnecting");
      await this.#retrySleeper.sleep(retryDelay(tries - 1), until);
    }
  }

  /** For a gateway without `/api/events`. */
  async #poll(until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      try {
        const { bots } = await this.#gateway.get<{ bots: BotJson[] }>("/api/bots");
        this.#pass({ type: "bots", bots }, "");
        this.#publishState("connected");
      } catch (error) {
        if ((error as GatewayError).status === 401) return;
        this.#publishState("reconnecting");
      }
      await this.#retrySleeper.sleep(5000, until);
    }
  }

  /**
   * To the others first: if this tab ends in between, the next reader asks for what they did not
   * get.
   */
  #pass(notice: NoticeJson, id: string): void {
    this.#say({ kind: "notice", id, notice });
    this.#take(notice, id);
  }

  #publishState(state: ConnectionState, again = false): void {
    this.#say({ kind: "connection", state, again });
    this.#setState(state);
    if (state === "connected") this.#listener.reconnected(again);
  }
}
