/**
 * The connections to the outside: chat apps, model APIs, ways to sign in, bots. Each shows its
 * state, its last error, and what to do about the findings of its check.
 */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import type { ConnectionJson, ConnectionsJson, FindingJson } from "../../wire/admin.ts";
import { sanitizeName } from "../bot_name.ts";
import { usePage } from "../view/context.ts";
import { StateDot } from "../view/parts.tsx";
import { ErrorNote, toastFailure, useAdminWords, useDateFormat, usePolling } from "./parts.tsx";
import type { AdminWords } from "./words.ts";

const KINDS = ["app", "model", "signIn", "bot"] as const;

const REFRESH_MS = 5000;

export function ConnectionsPage(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const formatDate = useDateFormat();
  const { data, error, refresh } = usePolling(
    (page) => page.gateway.get<ConnectionsJson>("/api/admin/connections"),
    REFRESH_MS,
  );
  const isAsked = useSignal(false);
  const state = data.value;
  const isChecking = isAsked.value || state?.checking === true;
  const check = async () => {
    isAsked.value = true;
    await toastFailure(page, () => page.gateway.post("/api/admin/connections/check"));
    await refresh();
    isAsked.value = false;
  };
  const wrong = state?.connections.filter(isWrong).length ?? 0;
  return (
    <>
      <ErrorNote text={error.value} />
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
                ? words.checkedAt(formatDate(state.checkedAt))
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

function Row({ connection }: { connection: ConnectionJson }): JSX.Element {
  const words = useAdminWords();
  const formatDate = useDateFormat();
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
            {connection.connected === false ? words.goneSince : words.hereSince} {formatDate(since)}
          </span>
        )}
        {lastOkAt !== undefined && <span>{words.lastOk} {formatDate(lastOkAt)}</span>}
        {lastError && (
          <span>
            {words.lastError} {formatDate(lastError.at)}{" "}
            <bdi>{lastError.words ?? lastError.code}</bdi>
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
  { finding: { path, level, what, todo, url, said } }: { finding: FindingJson },
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

function isWrong({ connected, findings }: ConnectionJson): boolean {
  return connected === false || findings.some(({ level }) => level === "error");
}

/** Whether it is there, or its check has data nothing. */
function isSeen({ connected, checkedAt }: ConnectionJson): boolean {
  return connected === true || checkedAt !== undefined;
}

function stateOf(connection: ConnectionJson, words: AdminWords): string {
  const { connected, checkedAt, findings } = connection;
  if (connected === false) return words.notConnected;
  if (findings.some(({ level }) => level === "error")) return words.needsAttention;
  if (connected) return words.connected;
  return checkedAt === undefined ? words.notChecked : words.wellSet;
}
