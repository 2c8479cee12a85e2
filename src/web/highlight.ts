/**
 * This is colour in code. The highlighter and each language are fetched when a block in that language is finished; until then,
 * and for a language nobody knows, the code is plain.
 */
import type core from "highlight.js/lib/core";

type HLJSApi = typeof core;
type LanguageFn = Parameters<HLJSApi["registerLanguage"]>[1];
type Loader = () => Promise<{ default: LanguageFn }>;

const LANGUAGES: Record<string, Loader> = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/c"),
  cpp: () => import("highlight.js/lib/languages/cpp"),
  csharp: () => import("highlight.js/lib/languages/csharp"),
  css: () => import("highlight.js/lib/languages/css"),
  dart: () => import("highlight.js/lib/languages/dart"),
  diff: () => import("highlight.js/lib/languages/diff"),
  dockerfile: () => import("highlight.js/lib/languages/dockerfile"),
  elixir: () => import("highlight.js/lib/languages/elixir"),
  go: () => import("highlight.js/lib/languages/go"),
  graphql: () => import("highlight.js/lib/languages/graphql"),
  haskell: () => import("highlight.js/lib/languages/haskell"),
  ini: () => import("highlight.js/lib/languages/ini"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  julia: () => import("highlight.js/lib/languages/julia"),
  kotlin: () => import("highlight.js/lib/languages/kotlin"),
  latex: () => import("highlight.js/lib/languages/latex"),
  less: () => import("highlight.js/lib/languages/less"),
  lua: () => import("highlight.js/lib/languages/lua"),
  makefile: () => import("highlight.js/lib/languages/makefile"),
  markdown: () => import("highlight.js/lib/languages/markdown"),
  matlab: () => import("highlight.js/lib/languages/matlab"),
  nginx: () => import("highlight.js/lib/languages/nginx"),
  objectivec: () => import("highlight.js/lib/languages/objectivec"),
  perl: () => import("highlight.js/lib/languages/perl"),
  php: () => import("highlight.js/lib/languages/php"),
  powershell: () => import("highlight.js/lib/languages/powershell"),
  protobuf: () => import("highlight.js/lib/languages/protobuf"),
  python: () => import("highlight.js/lib/languages/python"),
  r: () => import("highlight.js/lib/languages/r"),
  ruby: () => import("highlight.js/lib/languages/ruby"),
  rust: () => import("highlight.js/lib/languages/rust"),
  scala: () => import("highlight.js/lib/languages/scala"),
  scss: () => import("highlight.js/lib/languages/scss"),
  shell: () => import("highlight.js/lib/languages/shell"),
  sql: () => import("highlight.js/lib/languages/sql"),
  swift: () => import("highlight.js/lib/languages/swift"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  vim: () => import("highlight.js/lib/languages/vim"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};

const ALIASES: Record<string, string> = {
  sh: "bash",
  zsh: "bash",
  "c++": "cpp",
  cc: "cpp",
  h: "c",
  hpp: "cpp",
  cs: "csharp",
  "c#": "csharp",
  docker: "dockerfile",
  ex: "elixir",
  golang: "go",
  hs: "haskell",
  toml: "ini",
  js: "javascript",
  jsx: "javascript",
  mjs: "javascript",
  jsonc: "json",
  json5: "json",
  kt: "kotlin",
  tex: "latex",
  make: "makefile",
  md: "markdown",
  objc: "objectivec",
  pl: "perl",
  ps1: "powershell",
  proto: "protobuf",
  py: "python",
  rb: "ruby",
  rs: "rust",
  console: "shell",
  ts: "typescript",
  tsx: "typescript",
  html: "xml",
  svg: "xml",
  vue: "xml",
  yml: "yaml",
  patch: "diff",
};

/** Longer code stays plain: colouring it would hold up the page. */
const LONGEST = 20_000;

export class Highlighter {
  #core: Promise<HLJSApi> | undefined;

  /** Colours the element's text in place, when that is possible. */
  async paint(element: HTMLElement, language: string): Promise<void> {
    const text = element.textContent ?? "";
    const name = ALIASES[language] ?? language;
    const load = Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : undefined;
    if (!load || text.length > LONGEST) return;
    try {
      this.#core ??= import("highlight.js/lib/core").then((module) => module.default);
      const [core, definition] = await Promise.all([this.#core, load()]);
      if (!core.getLanguage(name)) core.registerLanguage(name, definition.default);
      await idle();
      // The block may have been drawn anew while the language was on its way.
      if (!element.isConnected || element.textContent !== text) return;
      const tree = core.highlight(text, { language: name, ignoreIllegals: true });
      element.replaceChildren(toNodes((tree as unknown as Highlighted)._emitter.rootNode));
    } catch {
      // Offline, or the build it came from is gone: plain code reads well enough.
      this.#core = undefined;
    }
  }
}

/** highlight.js keeps its result as a tree; the nodes are made from that, so that no HTML has to be trusted. */
interface Highlighted {
  readonly _emitter: { readonly rootNode: Scope };
}

interface Scope {
  readonly scope?: string;
  readonly children: readonly (Scope | string)[];
}

function toNodes(scope: Scope): DocumentFragment {
  const fragment = document.createDocumentFragment();
  for (const child of scope.children) {
    if (typeof child === "string") {
      fragment.append(child);
      continue;
    }
    const span = document.createElement("span");
    if (child.scope) span.className = `hl-${child.scope.split(".")[0]!.replace(/[^\w-]/g, "")}`;
    span.append(toNodes(child));
    fragment.append(span);
  }
  return fragment;
}

/** The next moment with nothing better to do. */
export function idle(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof requestIdleCallback === "function") requestIdleCallback(() => resolve(), { timeout: 500 });
    else setTimeout(resolve, 30);
  });
}
