/**
 * The languages of highlight.js, each loaded with the first block in that language.
 *
 * The expressions of highlight.js take quadratic time in the worst case, so they run in a worker
 * with a time limit.
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

/** Scopes in each other; deeper ones are text. */
const MAX_SCOPE_DEPTH = 20;

/** A piece of coloured code: text, or the name of a scope with what is in it. */
export type HighlightedPart = string | readonly [scope: string, pieces: readonly HighlightedPart[]];

/** Whether code in this language has colours. */
export function canHighlight(language: string): boolean {
  return Object.hasOwn(LANGUAGES, ALIASES[language] ?? language);
}

let loading: Promise<HLJSApi> | undefined;

/**
 * Fetches what a language needs, and returns what colours code in it. Throws where there is no
 * network.
 */
export async function loadHighlighter(
  language: string,
): Promise<(text: string) => HighlightedPart[]> {
  const name = ALIASES[language] ?? language;
  loading ??= import("highlight.js/lib/core").then((module) => module.default);
  try {
    const [core, definition] = await Promise.all([loading, LANGUAGES[name]!()]);
    if (!core.getLanguage(name)) core.registerLanguage(name, definition.default);
    return (text) => {
      const tree = core.highlight(text, {
        language: name,
        ignoreIllegals: true,
      }) as unknown as Highlighted;
      return highlightedParts(tree._emitter.rootNode, 0);
    };
  } catch (error) {
    loading = undefined;
    throw error;
  }
}

/**
 * highlight.js keeps its result as a tree; the pieces are made from that, so that no HTML has to be
 * trusted.
 */
interface Highlighted {
  readonly _emitter: { readonly rootNode: Scope };
}

interface Scope {
  readonly scope?: string;
  readonly children: readonly (Scope | string)[];
}

function highlightedParts({ children }: Scope, depth: number): HighlightedPart[] {
  return children.flatMap((child): HighlightedPart[] => {
    if (typeof child === "string") return [child];
    const pieces = highlightedParts(child, depth + 1);
    return child.scope && depth < MAX_SCOPE_DEPTH ? [[child.scope, pieces]] : pieces;
  });
}
