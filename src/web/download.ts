/** Saving a file from the page. */

/** The browser reads the URL after the click, so it is revoked later. */
const REVOKE_AFTER_MS = 10_000;

/** Offers a file for download under this name. */
export function saveFile(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_AFTER_MS);
}
