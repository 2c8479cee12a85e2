/**
 * This is every connection to the outside: chat apps, model APIs, ways to sign in, bots. Each tells
 * how it does, what went wrong last, and what to do about what its check found.
 */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { sanitizeName } from "../bot_name.ts";
import { usePage } from "../view/context.ts";
import { StateDot } from "../view/parts.tsx";
import { ErrorNote, toastFailure, useAdminWords, useDateFormat, usePolling } from "./parts.tsx";
import type { AdminWords } from "./words.ts";

interface Finding {
  readonly path: string;
  readonly level: "error" | "hint";
  readonly what: Readonly<Record<"en" | "zh", string>>;
  readonly todo: Readonly<Record<"en" | "zh", string>>;
  readonly url?: string;
  readonly said?: string;
}

const KINDS = ["app", "model", "signIn", "bot"] as const;

interface Connection {
  readonly kind: typeof KINDS[number];
  readonly id: string;
  readonly connected?: boolean;
  readonly since?: number;
  readonly lastOkAt?: number;
  readonly lastError?: { readonly at?: number; readonly code: string; readonly words?: string };
  readonly checkedAt?: number;
  readonly findings: readonly Finding[];
}

interface State {
  readonly connections: readonly Connection[];
  readonly checkedAt?: number;
  readonly checking: boolean;
}

export function Connections(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const when = useDateFormat();
  const { found, failed, again } = usePolling(
    (page) => page.gateway.get<State>("/api/admin/connections"),
    5000,
  );
  const isAsked = useSignal(false);
  const state = found.value;
  const isChecking = isAsked.value || state?.checking === true;
  const check = async () => {
    isAsked.value = true;
    await toastFailure(page, () => page.gateway.post("/api/admin/connections/check"));
    await again();
    isAsked.value = false;
  };
  const wrong = state?.connections.filter(isWrong).length ?? 0;
  return (
    <>
      <ErrorNote text={failed.value} />
      {state && (
        <div class="connections-head">
          <p role="status">
            {state.connections.length === 0
              ? words.noConnections
              : wrong === 0
              ? words.allWell
              : words.someWrong(wrong)}
            <span class="muted">
              {isChecking
                ? words.checking
                : state.checkedAt
                ? words.checkedAt(when(state.checkedAt))
                : words.notChecked}
            </span>
          </p>
          <button type="button" class="button" disabled={isChecking} onClick={() => void check()}>
            {words.checkAgain}
          </button>
        </div>
      )}
      {KINDS.map((kind) => {
        const ofKind = state?.connections.filter((one) => one.kind === kind) ?? [];
        if (ofKind.length === 0) return null;
        const sorted = [...ofKind].sort((a, b) =>
          Number(isWrong(b)) - Number(isWrong(a)) || a.id.localeCompare(b.id)
        );
        return (
          <section key={kind}>
            <h2>{words.kinds[kind]}</h2>
            <ul class="connections">
              {sorted.map((one) => <Row key={one.id} connection={one} />)}
            </ul>
          </section>
        );
      })}
    </>
  );
}

function Row({ connection }: { connection: Connection }): JSX.Element {
  const words = useAdminWords();
  const when = useDateFormat();
  const { id, since, lastOkAt, lastError, findings } = connection;
  return (
    <li class="connection">
      <div class="connection-head">
        <StateDot state={isWrong(connection) ? "danger" : isSeen(connection) ? "online" : "away"} />
        <bdi class="connection-name">{sanitizeName(id)}</bdi>
        <span class="muted">{stateOf(connection, words)}</span>
      </div>
      <p class="muted connection-times">
        {since !== undefined && (
          <span>
            {connection.connected === false ? words.goneSince : words.hereSince} {when(since)}
          </span>
        )}
        {lastOkAt !== undefined && <span>{words.lastOk} {when(lastOkAt)}</span>}
        {lastError && (
          <span>
            {words.lastError} {when(lastError.at)} <bdi>{lastError.words ?? lastError.code}</bdi>
          </span>
        )}
      </p>
      {findings.map((finding) => (
        <Found key={`${finding.path} ${finding.what.en}`} finding={finding} />
      ))}
    </li>
  );
}

function Found(
  { finding: { path, level, what, todo, url, said } }: { finding: Finding },
): JSX.Element {
  const words = useAdminWords();
  const language = usePage().language.value;
  return (
    <div class={`finding finding-${level}`}>
      <p>
        <strong>{what[language]}</strong> {said && <bdi class="muted mono">{said}</bdi>}
      </p>
      <p>
        {words.todo(todo[language])}{" "}
        {url?.startsWith("https://") && (
          <a href={url} target="_blank" rel="noopener noreferrer">{words.openConsole}</a>
        )}
      </p>
      <p class="muted mono">
        <bdi>{path}</bdi>
      </p>
    </div>
  );
}

function isWrong({ connected, findings }: Connection): boolean {
  return connected === false || findings.some(({ level }) => level === "error");
}

/** Whether it is there, or its check has found nothing. */
function isSeen({ connected, checkedAt }: Connection): boolean {
  return connected === true || checkedAt !== undefined;
}

function stateOf(connection: Connection, words: AdminWords): string {
  const { connected, checkedAt, findings } = connection;
  if (connected === false) return words.notConnected;
  if (findings.some(({ level }) => level === "error")) return words.needsAttention;
  if (connected) return words.connected;
  return checkedAt === undefined ? words.notChecked : words.wellSet;
}
