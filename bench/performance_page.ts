/**
 * This is the part of docs/performance.md and docs/performance.zh.md that the benchmark writes: the
 * date, the machine, the commit and the table of figures.
 */
import type { Figure } from "./figure.ts";

const PAGES = { en: "docs/performance.md", zh: "docs/performance.zh.md" } as const;
const BEGIN = "<!-- written by `deno task bench --write` -->", END = "<!-- end of figures -->";

export interface Run {
  /** ISO 8601. */
  readonly date: string;
  readonly commit: string;
  /** Processor, cores, memory and system. */
  readonly machine: string;
  readonly deno: string;
}

/** Replaces the figures in both pages. */
export async function writePages(run: Run, figures: readonly Figure[]): Promise<void> {
  for (const language of ["en", "zh"] as const) {
    const path = new URL(`../${PAGES[language]}`, import.meta.url);
    const page = await Deno.readTextFile(path);
    const head = page.slice(0, page.indexOf(BEGIN)), tail = page.slice(page.indexOf(END));
    await Deno.writeTextFile(
      path,
      `${head}${BEGIN}\n\n${section(run, figures, language)}\n\n${tail}`,
    );
  }
  const fmt = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "-q", PAGES.en],
    cwd: new URL("../", import.meta.url),
  });
  await fmt.output();
}

/** The machine that this runs on. */
export async function describeMachine(): Promise<string> {
  const cpu = /^model name\s*:\s*(.+)$/m.exec(await readOr("/proc/cpuinfo"))?.[1] ??
    Deno.build.arch;
  const memory = Deno.systemMemoryInfo().total / 2 ** 30;
  return `${cpu.trim()}, ${navigator.hardwareConcurrency} cores, ${memory.toFixed(0)} GiB, ` +
    `${Deno.build.os} ${Deno.osRelease()}`;
}

/** The figures of a page, as rows of cells. */
export async function rowsOf(language: keyof typeof PAGES): Promise<string[][]> {
  const page = await Deno.readTextFile(new URL(`../${PAGES[language]}`, import.meta.url));
  return page.slice(page.indexOf(BEGIN), page.indexOf(END)).split("\n")
    .filter((line) => line.startsWith("| ")).slice(2)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

function section(run: Run, figures: readonly Figure[], language: keyof typeof PAGES): string {
  const words = WORDS[language];
  const missed = figures.filter(({ reached }) => reached === false).length;
  const targets = figures.filter(({ reached }) => reached !== undefined).length;
  return [
    words.run(run),
    "",
    words.verdict(missed, targets),
    "",
    words.heading,
    "| --- | --- | --- | --- | --- |",
    ...figures.map((figure) => rowFor(figure, language)),
  ].join("\n");
}

function rowFor(figure: Figure, language: keyof typeof PAGES): string {
  const { row, unit, floor, gateway, ratio, target, reached } = figure;
  const words = WORDS[language];
  const number = (value: number | undefined) =>
    value === undefined ? "" : value.toFixed(value < 10 ? 2 : 0);
  const verdict = target === undefined
    ? ""
    : `${target}: ${reached ? words.reached : `**${words.missed}**`}`;
  const cells = [
    language === "zh" ? chinese(row) : row,
    number(floor),
    `${number(gateway)} ${unit}`,
    ratio === undefined ? figure.note ?? "" : `${ratio.toFixed(2)} ×`,
    verdict,
  ];
  return `| ${cells.join(" | ")} |`;
}

const WORDS = {
  en: {
    run: ({ date, commit, machine, deno }: Run) =>
      `Measured on ${date.slice(0, 10)} at commit \`${commit}\` with Deno ${deno} on ${machine}.`,
    verdict: (missed: number, targets: number) =>
      missed === 0
        ? `All ${targets} targets were reached.`
        : `${missed} of ${targets} targets were missed.`,
    heading: "| work | bare relay | Nexus | ratio | target |",
    reached: "reached",
    missed: "missed",
  },
  zh: {
    run: ({ date, commit, machine, deno }: Run) =>
      `测量于 ${date.slice(0, 10)}，提交 \`${commit}\`，Deno ${deno}，${machine}。`,
    verdict: (missed: number, targets: number) =>
      missed === 0 ? `${targets} 个目标全部达到。` : `${targets} 个目标中有 ${missed} 个未达到。`,
    heading: "| 工作 | 最小转发程序 | Nexus | 倍数 | 目标 |",
    reached: "达到",
    missed: "未达到",
  },
} as const;

/** Parts of the rows' names, in Chinese. */
const CHINESE: readonly (readonly [RegExp, string])[] = [
  [/added p99 latency of the same/, "同上，p99 延迟增加"],
  [/bursts of 200 chunks/, "每次 200 片的突发"],
  [/512 streams of 64 chunks held at once/, "同时保持 512 个流，各 64 片"],
  [/300 streams, a chunk each 20 ms/, "300 个流，每 20 ms 一片"],
  [/open SSE stream, of (\d+)/, "一个打开的事件流（共 $1 个）"],
  [/idle bot socket, of (\d+)/, "一个空闲的机器人连接（共 $1 个）"],
  [/from process start to \/livez/, "从进程启动到 `/livez` 应答"],
  [/(\d+) connections/, "$1 个连接"],
  [/version-2 bot/, "第 2 版机器人"],
  [/version (\d)/, "第 $1 版机器人"],
  [/store in memory/, "存储在内存中"],
  [/, /g, "，"],
];

function chinese(row: string): string {
  return CHINESE.reduce((text, [pattern, words]) => text.replace(pattern, words), row);
}

async function readOr(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}
