/** The bots' own tokens: creating, rotating and revoking them. */
import type { JSX } from "preact";
import { type Signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { BotTokenJson } from "../../wire/admin.ts";
import { usePage } from "../view/context.ts";
import { CopyableText } from "../view/copyable_text.tsx";
import {
  ErrorNote,
  Table,
  toastFailure,
  useAdminWords,
  useDateFormat,
  usePolling,
} from "./parts.tsx";

const REFRESH_MS = 15_000;

export function BotTokensPage(): JSX.Element {
  const words = useAdminWords();
  const created = useSignal<{ botId: string; token: string } | undefined>(undefined);
  const { data, error, refresh } = usePolling(
    async (page) =>
      (await page.gateway.get<{ tokens: BotTokenJson[] }>("/api/admin/bot-tokens")).tokens,
    REFRESH_MS,
  );
  return (
    <>
      <NewTokenForm created={created} onCreated={refresh} />
      {created.value && (
        <CopyableText text={created.value.token} button={words.copy}>
          {words.tokenMade(created.value.botId)}
        </CopyableText>
      )}
      <ErrorNote text={error.value} />
      <Table
        label={words.tokens}
        head={[words.botId, words.made, words.by, words.owner, ""]}
        empty={!data.value?.length}
      >
        {data.value?.map((token) => (
          <TokenRow
            key={token.botId}
            token={token}
            onRevoked={refresh}
          />
        ))}
      </Table>
    </>
  );
}

function NewTokenForm({ created, onCreated }: {
  created: Signal<{ botId: string; token: string } | undefined>;
  onCreated: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const form = useRef<HTMLFormElement>(null);
  const create = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const [botId, owner] = ["botId", "owner"].map((name) => String(fields.get(name)).trim());
    await toastFailure(page, async () => {
      created.value = await page.gateway.post("/api/admin/bot-tokens", {
        botId,
        owner: owner || undefined,
      });
      form.current!.reset();
    });
    await onCreated();
  };
  return (
    <form ref={form} class="row bottom" onSubmit={create}>
      <label class="field">
        <span>{words.botId}</span>
        <input name="botId" required autocomplete="off" autocapitalize="none" spellcheck={false} />
      </label>
      <label class="field">
        <span>{words.owner}</span>
        <input name="owner" autocomplete="off" autocapitalize="none" spellcheck={false} />
      </label>
      <button type="submit" class="button primary">{words.makeToken}</button>
    </form>
  );
}

function TokenRow({ token, onRevoked }: {
  token: BotTokenJson;
  onRevoked: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const formatDate = useDateFormat();
  const { botId, createdAt, oldUntil, by, locked, owner } = token;
  const revoke = async () => {
    if (!confirm(words.revokeSure(botId))) return;
    await toastFailure(
      page,
      () => page.gateway.delete(`/api/admin/bot-tokens/${encodeURIComponent(botId)}`),
    );
    await onRevoked();
  };
  return (
    <tr>
      <th scope="row">
        <bdi>{botId}</bdi>
      </th>
      <td class="tabular">
        {formatDate(createdAt)}
        {oldUntil && <span class="muted">· {words.oldUntil(formatDate(oldUntil))}</span>}
      </td>
      <td>{by}</td>
      <td>{locked ? words.locked : owner}</td>
      <td>
        <button type="button" class="button small danger" onClick={() => void revoke()}>
          {words.revoke}
        </button>
      </td>
    </tr>
  );
}
