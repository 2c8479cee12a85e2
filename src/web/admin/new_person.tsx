/** The dialogs that add a person and set a new password. */
import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { usePage } from "../view/context.ts";
import { Dialog } from "../view/parts.tsx";
import { useAdminWords } from "./parts.tsx";

/** Letters of generated passwords: none that look alike. */
const PASSWORD_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";

export function AddPerson(
  { onClose, onDone }: { onClose: () => void; onDone: () => Promise<void> },
): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const add = async (fields: FormData) => {
    await page.gateway.post("/api/admin/people", {
      id: String(fields.get("id")),
      displayName: String(fields.get("displayName")) || undefined,
      password: String(fields.get("password")),
      role: fields.get("admin") ? "admin" : "member",
    });
    onClose();
    await onDone();
  };
  return (
    <PersonDialog title={words.add} onClose={onClose} onSubmit={add}>
      <label class="field">
        <span>{words.id}</span>
        <input name="id" required autocomplete="off" autocapitalize="none" spellcheck={false} />
      </label>
      <label class="field">
        <span>{words.displayName}</span>
        <input name="displayName" autocomplete="off" />
      </label>
      <PasswordField />
      <label class="check">
        <input type="checkbox" name="admin" /> {words.admin}
      </label>
    </PersonDialog>
  );
}

export function ResetPassword(
  { personId, onClose }: { personId: string; onClose: () => void },
): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const reset = async (fields: FormData) => {
    await page.gateway.patch(`/api/admin/people/${encodeURIComponent(personId)}`, {
      password: String(fields.get("password")),
    });
    page.toast(words.passwordSet(personId));
    onClose();
  };
  return (
    <PersonDialog
      title={`${words.resetPassword} · ${personId}`}
      onClose={onClose}
      onSubmit={reset}
    >
      <PasswordField />
    </PersonDialog>
  );
}

/** A dialog with a form. An error of `onSubmit` shows in the form. */
function PersonDialog({ title, onClose, onSubmit, children }: {
  title: string;
  onClose: () => void;
  onSubmit: (fields: FormData) => Promise<void>;
  children: ComponentChildren;
}): JSX.Element {
  const words = useAdminWords();
  const form = useRef<HTMLFormElement>(null);
  const error = useSignal("");
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await onSubmit(new FormData(form.current!));
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form ref={form} class="password" onSubmit={submit}>
        {children}
        <p class="error" role="alert">{error.value}</p>
        <div class="row">
          <button type="submit" class="button primary">{words.save}</button>
          <button type="button" class="button" onClick={onClose}>{words.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}

/** A password for another person. It is visible, because the admin has to pass it on. */
function PasswordField(): JSX.Element {
  const words = useAdminWords();
  const field = useRef<HTMLInputElement>(null);
  return (
    <div class="field">
      <label for="admin-password">{words.newPassword}</label>
      <span class="row">
        <input
          id="admin-password"
          ref={field}
          name="password"
          class="text-input mono"
          required
          minLength={8}
          autocomplete="new-password"
          spellcheck={false}
        />
        <button
          type="button"
          class="button"
          onClick={() => field.current!.value = randomPassword()}
        >
          {words.makePassword}
        </button>
      </span>
      <small>{words.passwordHint}</small>
    </div>
  );
}

/** Sixteen random letters in groups of four: 80 bits. */
function randomPassword(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  const letters = Array.from(random, (byte) => PASSWORD_LETTERS[byte % PASSWORD_LETTERS.length]);
  return letters.join("").replace(/(.{4})(?=.)/g, "$1-");
}
