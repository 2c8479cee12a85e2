/** Short notices, and the sheet of keyboard shortcuts. */
import type { JSX } from "preact";
import { usePage, useWords } from "./context.ts";
import { Dialog } from "./parts.tsx";

export function Toasts(): JSX.Element {
  const page = usePage();
  return (
    <div class="toasts">
      {page.toasts.value.map((toast) => (
        <div key={toast.key} class="toast">
          <span>{toast.text}</span>
          {toast.action && (
            <button type="button" class="link" onClick={toast.action.run}>
              {toast.action.label}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}

export function Shortcuts({ onClose }: { onClose: () => void }): JSX.Element {
  const words = useWords();
  const command = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";
  const rows: [string[], string][] = [
    [["Enter"], words.keySend],
    [["Shift", "Enter"], words.keyLine],
    [["@"], words.keyBot],
    [[command, "/"], words.keyBot],
    [["↑"], words.keyEdit],
    [["Esc"], words.keyStop],
    [[command, "Shift", "C"], words.keyCopy],
    [["Alt", "N"], words.keyNew],
    [[command, "K"], words.keySearch],
    [[command, "B"], words.keyList],
    [["/"], words.keyFocus],
    [[command, ","], words.settings],
    [["?"], words.keyHelp],
  ];
  return (
    <Dialog title={words.shortcuts} onClose={onClose}>
      <table class="keys">
        <tbody>
          {rows.map(([keys, what]) => (
            <tr key={keys.join()}>
              <th scope="row">{keys.map((key) => <kbd key={key}>{key}</kbd>)}</th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Dialog>
  );
}
