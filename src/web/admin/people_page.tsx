/** The people who may sign in: adding, changing and removing them. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import type { PersonJson } from "../../wire/admin.ts";
import { sanitizeName } from "../bot_name.ts";
import type { Page } from "../page.ts";
import { usePage } from "../view/context.ts";
import { Menu, type MenuItem } from "../view/parts.tsx";
import { AddPerson, ResetPassword } from "./new_person.tsx";
import { ErrorNote, Table, toastFailure, useAdminWords, usePolling } from "./parts.tsx";
import { fetchPeople, fetchUsageToday } from "./people_usage.ts";
import type { AdminWords } from "./words.ts";

const REFRESH_MS = 15_000;

export function PeoplePage(): JSX.Element {
  const words = useAdminWords();
  const isAdding = useSignal(false);
  const resetting = useSignal<PersonJson | undefined>(undefined);
  /** Person → messages of today. */
  const usage = useSignal<Readonly<Record<string, number>>>({});
  const { data, error, refresh } = usePolling(async (page) => {
    const people = await fetchPeople(page);
    await fetchUsageToday(page, people, ({ id }, day) => {
      usage.value = { ...usage.value, [id]: day?.messages ?? 0 };
    });
    return people;
  }, REFRESH_MS);
  return (
    <>
      <div class="row end">
        <button type="button" class="button primary" onClick={() => isAdding.value = true}>
          {words.add}
        </button>
      </div>
      <ErrorNote text={error.value} />
      <Table
        label={words.people}
        head={[words.name, words.role, words.from, words.usageToday, words.bots, ""]}
        empty={!data.value?.length}
      >
        {data.value?.map((person) => (
          <PersonRow
            key={person.id}
            person={person}
            messages={usage.value[person.id] ?? 0}
            onResetPassword={() => resetting.value = person}
            onChanged={refresh}
          />
        ))}
      </Table>
      {isAdding.value && <AddPerson onClose={() => isAdding.value = false} onDone={refresh} />}
      {resetting.value && (
        <ResetPassword
          personId={resetting.value.id}
          onClose={() => resetting.value = undefined}
        />
      )}
    </>
  );
}

interface PersonRowProps {
  readonly person: PersonJson;
  readonly messages: number;
  readonly onResetPassword: () => void;
  readonly onChanged: () => Promise<void>;
}

function PersonRow(props: PersonRowProps): JSX.Element {
  const { person, messages } = props;
  const page = usePage();
  const words = useAdminWords();
  const isFormer = person.source === "former";
  return (
    <tr>
      <th scope="row">
        <bdi>{sanitizeName(person.name)}</bdi>
        <bdi class="muted">{person.id}</bdi>
      </th>
      <td>
        {person.role === "admin" ? words.admin : words.member}
        {person.disabled && !isFormer && <strong class="danger-text">· {words.disabled}</strong>}
        {person.totp && <span class="muted">· {words.secondFactor}</span>}
      </td>
      <td>{isFormer ? words.former : person.source}</td>
      <td class="tabular">{words.usage(messages, person.limits.messagesPerDay)}</td>
      <td>{person.bots ? person.bots.join(", ") : words.allBots}</td>
      <td>
        <Menu icon="more" label={words.actions(person.id)} items={actionsFor(props, page, words)} />
      </td>
    </tr>
  );
}

/** What an admin can do with a person; not everything with oneself. */
function actionsFor(
  { person, onResetPassword, onChanged }: PersonRowProps,
  page: Page,
  words: AdminWords,
): readonly MenuItem[] {
  const { gateway } = page;
  const path = `/api/admin/people/${encodeURIComponent(person.id)}`;
  const act = async (run: () => Promise<unknown>) => {
    await toastFailure(page, run);
    await onChanged();
  };
  const change = (fields: unknown) => void act(() => gateway.patch(path, fields));
  const remove: MenuItem = {
    label: words.remove,
    icon: "trash",
    danger: true,
    run: () => confirm(words.removeSure(person.id)) && void act(() => gateway.delete(path)),
  };
  if (person.source === "former") return [remove];
  const isSelf = person.id === (page.me.value?.id ?? page.me.value?.username);
  return [
    { label: words.resetPassword, icon: "pen", run: onResetPassword },
    {
      label: person.role === "admin" ? words.makeMember : words.makeAdmin,
      run: () => change({ role: person.role === "admin" ? "member" : "admin" }),
    },
    {
      label: words.endSessions,
      icon: "out",
      run: () =>
        void act(async () => {
          const { ended } = await gateway.delete<{ ended: number }>(`${path}/sessions`);
          page.toast(words.sessionsEnded(ended));
        }),
    },
    {
      label: words.revokeKeys,
      run: () =>
        void act(async () => {
          const { revoked } = await gateway.delete<{ revoked: number }>(`${path}/keys`);
          page.toast(words.keysRevoked(revoked));
        }),
    },
    ...(person.totp
      ? [{
        label: words.dropFactor,
        run: () =>
          void act(async () => {
            await gateway.delete(`${path}/totp`);
            page.toast(words.factorDropped);
          }),
      }]
      : []),
    ...(isSelf ? [] : [
      {
        label: person.disabled ? words.enable : words.disable,
        danger: !person.disabled,
        run: () => change({ disabled: !person.disabled }),
      },
      remove,
    ]),
  ];
}
