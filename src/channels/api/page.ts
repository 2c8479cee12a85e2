/**
 * This is the page over HTTP: its built files with the headers that keep it closed. Names in
 * `/build/` carry a hash and are kept for ever; everything else is asked for again with its ETag.
 *
 * ```ts
 * const answer = page({ read: (path) => Deno.readFile(`static/${path}`).catch(() => undefined) });
 * const response = await answer(new Request("http://localhost/"));
 * ```
 */

/** Where the files come from. */
export interface PageFiles {
  /**
   * The bytes of a file under `static/`, such as `build/index.html`; `undefined` when there is
   * none.
   */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Reads each file anew, for a build that watches. Default: a file is read once. */
  readonly fresh?: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  webmanifest: "application/manifest+json",
  woff2: "font/woff2",
};

/**
 * Nothing from elsewhere, no inline script or style, no HTML made of strings except by the one
 * named policy. `data:` and `blob:` only where pictures are shown.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types dompurify nexus",
].join("; ");

/** On every answer of the page. */
const SAFE: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** On documents only. Everything that a chat page has no use for is off; copying is its own. */
const DOCUMENT: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-frame-options": "DENY",
  "permissions-policy":
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), " +
    "microphone=(), midi=(), payment=(), serial=(), usb=()",
};

interface Found {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

/** Bytes of files kept in memory; the whole page with its compressed copies is about 3 MB. */
const MAX_CACHED_BYTES = 16 << 20;

/** Answers GET and HEAD for the page; everything that it does not have is 404. */
export function servePage(files: PageFiles): (request: Request) => Promise<Response> {
  const kept = new Map<string, Promise<Found | undefined>>();
  let keptBytes = 0;

  const find = (path: string): Promise<Found | undefined> => {
    if (files.fresh) return load(files, path);
    let found = kept.get(path);
    if (found) return found;
    found = load(files, path);
    // What is not there is not remembered: names that strangers make up would fill the memory.
    found.then((file) => {
      if (!file || keptBytes + file.bytes.length > MAX_CACHED_BYTES) kept.delete(path);
      else keptBytes += file.bytes.length;
    }, () => kept.delete(path));
    kept.set(path, found);
    return found;
  };

  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response(null, { status: 405, headers: { ...SAFE, allow: "GET, HEAD" } });
    }
    const path = fileOf(new URL(request.url).pathname);
    const plain = path === undefined ? undefined : await find(path);
    if (path === undefined || plain === undefined) {
      return new Response("Not found\n", { status: 404, headers: SAFE });
    }

    const extension = path.slice(path.lastIndexOf(".") + 1);
    const headers = new Headers({
      ...SAFE,
      ...(extension === "html" ? DOCUMENT : {}),
      "content-type": TYPES[extension] ?? "application/octet-stream",
      "cache-control": isHashed(path) ? "public, max-age=31536000, immutable" : "no-cache",
      vary: "accept-encoding",
    });
    const { file, encoding } = await smallest(
      request.headers.get("accept-encoding") ?? "",
      path,
      plain,
      find,
    );
    if (encoding) headers.set("content-encoding", encoding);
    const etag = encoding ? `${file.etag.slice(0, -1)}-${encoding}"` : file.etag;
    headers.set("etag", etag);
    if (matches(request.headers.get("if-none-match"), etag)) {
      return new Response(null, { status: 304, headers });
    }
    headers.set("content-length", String(file.bytes.length));
    return new Response(request.method === "HEAD" ? null : file.bytes, { headers });
  };
}

/**
 * The file that an address names. Nothing but these few forms can name one, so there is no way out
 * of the folder.
 */
function fileOf(pathname: string): string | undefined {
  if (pathname === "/" || pathname === "/index.html") return "build/index.html";
  if (pathname === "/sw.js") return "build/sw.js";
  if (pathname === "/manifest.webmanifest") return "manifest.webmanifest";
  if (pathname === "/favicon.ico") return "icons/icon-192.png";
  const match = /^\/(build|icons)\/([\w-]+(?:\.[\w-]+)*\.(?:js|css|svg|png|woff2))$/.exec(pathname);
  return match ? `${match[1]}/${match[2]}` : undefined;
}

function isHashed(path: string): boolean {
  return path.startsWith("build/") && /-[A-Z0-9]{8}\.[a-z0-9]{1,5}$/.test(path);
}

async function load(files: PageFiles, path: string): Promise<Found | undefined> {
  const bytes = await files.read(path);
  if (!bytes) return undefined;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return { bytes, etag: `"${hash.toBase64({ alphabet: "base64url" }).slice(0, 22)}"` };
}

/** The copy that the client understands and that costs least. */
async function smallest(
  accepted: string,
  path: string,
  plain: Found,
  find: (path: string) => Promise<Found | undefined>,
): Promise<{ file: Found; encoding?: string }> {
  for (const [encoding, ending] of [["br", "br"], ["gzip", "gz"]] as const) {
    if (!accepts(accepted, encoding)) continue;
    const file = await find(`${path}.${ending}`);
    if (file) return { file, encoding };
  }
  return { file: plain };
}

/** Whether `Accept-Encoding` names it, and not with `q=0`. */
function accepts(header: string, encoding: string): boolean {
  return header.toLowerCase().split(",").some((item) => {
    const [name, ...parameters] = item.split(";").map((part) => part.trim());
    return name === encoding && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}

function matches(header: string | null, etag: string): boolean {
  if (!header) return false;
  return header.split(",").some((item) =>
    item.trim().replace(/^W\//, "") === etag || item.trim() === "*"
  );
}
