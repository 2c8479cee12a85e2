/**
 * These are docs/configuration.md and docs/configuration.zh.md, generated from the configuration's
 * schema.
 */
import { configJsonSchema } from "../src/config/config.ts";
import { CHAPTERS, ELSEWHERE, WORDS } from "./configuration_words.ts";
import { formatted } from "./generated.ts";

export const LANGUAGES = ["en", "zh"] as const;
export type Language = typeof LANGUAGES[number];

/** One setting as both pages show it. */
export interface Setting {
  /** Such as `queue.total` or `users.<name>.password`. */
  readonly path: string;
  readonly type: string;
  /** As JSON; absent where the setting has no default. */
  readonly fallback?: string;
  readonly description?: string;
  readonly isDuration: boolean;
}

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
}

/** The path of a page, from the root of the repository. */
export function pagePath(language: Language): string {
  return language === "en" ? "docs/configuration.md" : "docs/configuration.zh.md";
}

/** Every setting, in the order of the schema. */
export function settings(): Setting[] {
  const found: Setting[] = [];
  collect(configJsonSchema() as JsonSchema, "", found);
  return found.filter(({ path }) => path !== "$schema");
}

function collect(schema: JsonSchema, parent: string, found: Setting[]): void {
  for (const [key, part] of Object.entries(schema.properties ?? {})) {
    const path = parent === "" ? key : `${parent}.${key}`;
    found.push({
      path,
      type: typeOf(part),
      fallback: isPlain(part.default) ? JSON.stringify(part.default) : undefined,
      description: part.description,
      isDuration: /milliseconds/.test(part.description ?? ""),
    });
    if (path in ELSEWHERE) continue;
    collect(part, path, found);
    if (typeof part.additionalProperties === "object") {
      collect(part.additionalProperties, `${path}.<name>`, found);
    }
  }
}

/** An object's default is that of its parts. */
function isPlain(value: unknown): boolean {
  return value !== undefined && !(typeof value === "object" && !Array.isArray(value));
}

function typeOf({ type, enum: values, minimum, maximum }: JsonSchema): string {
  if (values) return values.map((value) => `\`${value}\``).join(", ");
  const bound = (value: number) =>
    value === Number.MAX_SAFE_INTEGER ? "…" : value.toLocaleString("en");
  return minimum !== undefined && maximum !== undefined
    ? `${bound(minimum)} – ${bound(maximum)}`
    : type ?? "";
}

/** A page as the repository has it. */
export async function page(language: Language): Promise<string> {
  const list = settings();
  const tables = CHAPTERS.map((chapter) => {
    const rows = chapter.keys.flatMap((key) =>
      list.filter(({ path }) => path === key || path.startsWith(`${key}.`))
    );
    return `## ${chapter[language]}\n\n${table(rows, language)}`;
  });
  const text = `${HEAD[language]}\n${tables.join("\n\n")}\n`;
  return language === "en" ? await formatted(text) : text;
}

function table(rows: readonly Setting[], language: Language): string {
  const heading = language === "en"
    ? "| setting | value | default | meaning |"
    : "| 设置 | 取值 | 默认值 | 含义 |";
  return [
    heading,
    "| --- | --- | --- | --- |",
    ...rows.map((row) =>
      `| \`${row.path}\` | ${TYPES[row.type]?.[language] ?? row.type} | ${fallback(row)} | ${
        meaning(row, language)
      } |`
    ),
  ].join("\n");
}

function fallback({ fallback, isDuration }: Setting): string {
  if (fallback === undefined) return "";
  return `\`${fallback}\`${isDuration ? ` (${duration(Number(fallback))})` : ""}`;
}

function duration(ms: number): string {
  for (const [unit, length] of [["h", 3_600_000], ["min", 60_000]] as const) {
    if (ms >= length && ms % length === 0) return `${ms / length} ${unit}`;
  }
  return `${ms / 1000} s`;
}

function meaning({ path, description }: Setting, language: Language): string {
  const words = WORDS[path];
  const text = (language === "zh" ? words?.zh : description ?? words?.en) ?? "";
  const link = ELSEWHERE[path];
  if (!link) return text;
  return language === "en" ? `${text} [All settings](${link}).` : `${text}[全部设置](${link})。`;
}

const TYPES: Readonly<Record<string, Readonly<Record<Language, string>>>> = {
  string: { en: "text", zh: "文本" },
  boolean: { en: "`true`, `false`", zh: "`true`、`false`" },
  array: { en: "list", zh: "列表" },
  object: { en: "object", zh: "对象" },
  "": { en: "text, list", zh: "文本、列表" },
};

const HEAD: Readonly<Record<Language, string>> = {
  en: `# Configuration

[中文](configuration.zh.md)

<!-- Written by \`deno task docs\` from the schema in src/config. Edit that, or deploy/configuration_words.ts. -->

Nexus reads \`config.json\` in the current folder; \`--dir\` names another folder. The first start writes
the file. A configuration of OpenClaw Nexus 1.x works unchanged.

- **Check it:** \`nexus check\` lists everything that is wrong. \`nexus check --online\` also tries every
  app, model API and sign-in provider once ([operations](operations.md#is-everything-connected)).
- **Completion in editors:** the \`$schema\` line of the file points at the
  [JSON Schema](config.schema.json), which every gateway serves at \`/config.schema.json\`.
- **Environment variables override the file:** \`PORT\` sets the port, \`NEXUS_SESSION_TTL\` sets
  \`sessionTTL\`, and \`NEXUS_QUEUE__TOTAL\` sets \`queue.total\`. Lists and objects are written as JSON.
- **Secrets** of apps, model APIs and sign-in providers may be \`env:NAME\`: the value is then read from
  that variable.
- **Changes apply while the gateway runs.** \`host\`, \`port\`, \`tls\`, \`store\`, \`channels\` and \`demo\`
  need a restart; the log says so. An edit with a mistake changes nothing and is logged. An edit
  that would remove every setting, all people or the bots' token is rejected too; restart the
  gateway if you mean it.

Times are in milliseconds, unless the table says otherwise.
`,
  zh: `# 配置

[English](configuration.md)

<!-- 由 \`deno task docs\` 根据 src/config 中的 schema 生成。请修改 schema 或 deploy/configuration_words.ts。 -->

Nexus 读取当前目录下的 \`config.json\`；用 \`--dir\` 指定其他目录。首次启动会生成该文件。OpenClaw Nexus 1.x 的配置文件无需改动。

- **检查配置：** \`nexus check\` 一次列出所有错误；\`nexus check --online\` 还会把每个应用、模型 API 和登录方式实际试一次（[运维](operations.zh.md#连接都正常吗)）。
- **编辑器补全：** 文件里的 \`$schema\` 一行指向 [JSON Schema](config.schema.json)，每个网关也在 \`/config.schema.json\` 提供它。
- **环境变量优先于文件：** \`PORT\` 设置端口，\`NEXUS_SESSION_TTL\` 设置 \`sessionTTL\`，\`NEXUS_QUEUE__TOTAL\` 设置 \`queue.total\`。列表和对象写成 JSON。
- **密钥**（应用、模型 API、登录方式）可以写成 \`env:NAME\`，值从该环境变量读取。
- **修改立即生效。** 只有 \`host\`、\`port\`、\`tls\`、\`store\`、\`channels\` 和 \`demo\` 需要重启，日志会说明。有错误的修改不会生效，并写入日志。会清空全部设置、全部用户或机器人令牌的修改同样不予采用；确需如此请重启网关。

除非另有说明，时间都以毫秒计。
`,
};
