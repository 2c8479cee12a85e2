/**
 * This is an OpenClaw of a few lines for tests: it lets in whom it is told to, and runs what a test
 * says.
 */
import type { Config, Host, InboundAdmission, Run, RunResult } from "../../plugin/src/host.ts";
import { type Account, readAccount } from "../../plugin/src/account.ts";

export interface FakeHost extends Host {
  readonly runs: Run[];
  readonly saved: Uint8Array[];
  settings: Config;
  /** What a run does. */
  agent: (run: Run) => Promise<RunResult | void>;
  /** Whom it lets in. */
  verdict: (senderId: string) => InboundAdmission;
  files: Map<string, Uint8Array>;
  hooks: boolean;
  /** Who has been let in by code. */
  letIn: string[];
}

export function fakeHost(agent: FakeHost["agent"] = () => Promise.resolve()): FakeHost {
  const host: FakeHost = {
    runs: [],
    saved: [],
    settings: {},
    agent,
    verdict: () => ({ verdict: "dispatch", commandAuthorized: false, token: undefined }),
    files: new Map(),
    hooks: false,
    letIn: [],
    config: () => host.settings,
    route: (config, accountId, peer) => ({
      agentId: "main",
      dmScope: config.session?.dmScope,
      sessionKey: config.session?.dmScope === "per-account-channel-peer"
        ? `agent:main:nexus:${accountId}:direct:${peer}`
        : "agent:main:main",
    }),
    admit: ({ senderId }) => Promise.resolve(host.verdict(senderId)),
    paired: () => Promise.resolve(host.letIn),
    isControl: (text) => /^\/(stop|approve)\b/.test(text),
    isStop: (text) => text === "/stop",
    saveImage(bytes, type) {
      host.saved.push(bytes);
      return Promise.resolve({ path: `/inbound/${host.saved.length}`, contentType: type });
    },
    loadMedia(url) {
      const bytes = host.files.get(url);
      if (!bytes) return Promise.reject(new Error(`${url} is outside of the allowed folders`));
      return Promise.resolve({ bytes, fileName: url.split("/").at(-1) });
    },
    mustWait: () => host.hooks,
    async run(run) {
      host.runs.push(run);
      return await host.agent(run) ?? {};
    },
  };
  return host;
}

export function account(fields: Record<string, unknown> = {}): Account {
  return readAccount({
    channels: {
      nexus: { serverUrl: "ws://127.0.0.1:1/bot-ws", botId: "claw", dmPolicy: "open", ...fields },
    },
  });
}

/** A promise with its handles. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => resolve = done);
  return { promise, resolve };
}
