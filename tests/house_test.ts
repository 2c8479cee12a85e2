/**
 * These are the limits of the house that a tool can see: how long a file, a function and a line
 * may be, which names are retired, and that no name hides one of the platform.
 *
 * ```sh
 * deno run -A tests/house_test.ts src/core   # what is too long there, and nothing else
 * ```
 */
import assert from "node:assert/strict";
import ts from "typescript";

const ROOT = new URL("../", import.meta.url);

/** The longest file and the longest function in `src/`, in lines; the longest line, in columns. */
const MAX_FILE = 400;
const MAX_FUNCTION = 80;
const MAX_LINE = 100;

/** Files that are longer, each with its reason. They are tables: one entry follows the other. */
const LONG_FILES: Readonly<Record<string, string>> = {};

/** Names of the platform: a declaration of the same name would hide them. */
const PLATFORM = new Set(
  ("AbortSignal Blob BroadcastChannel Cache CustomEvent Document Element Event EventSource File FormData Headers " +
    "History Image Location Lock Map Navigator Node Notification Option Range Request Response " +
    "Selection Set Storage Symbol Text URL WebSocket Window Worker").split(" "),
);

/** Names that were retired, as whole words. ARCHITECTURE.md has the glossary that replaced them. */
const RETIRED: readonly RegExp[] = [
  // src/channels/http, api, openai, sign_in
  /\b(?:Door|DoorParts|Pulse|Beating|HangUps|hangUps)\b/,
  /\b(?:RoutesParts|ImageLoads|IMAGES_OF_A_REQUEST|OpsParts|opsRoutes)\b/,
  /\b(?:BODY_TIME|BODY_RATE|STALLED|FIRST_WORD|FLOW_LIFETIME|FINISHING)\b/,
  /\b(?:probesOfSignIn|LarkSignIn|DingtalkSignIn|WecomSignIn)\b/,
  /\b(?:withoutPictures|ToolTalk|refuseForeign|personNow)\b/,
  // src/emulate, src/channels/wecom, src/channels/dingtalk
  /\b(?:Feishu|Wecom)Socket\b/,
  /\b(?:FeishuSay|WecomSay|DingSay|SealKeys)\b/,
  /\b(?:refuseReplacements|refuseFiles|refusePeople|isTrustedAddress|isListedAddress)\b/,
  /\b(?:pollWay|urlWay|streamOf|markdownOfBot)\b/,
  // src/channels/im
  /\bDesk(?:Parts)?\b/,
  /\bWriterParts\b/,
  /\b(?:notice|push)Ways\b/,
  /\bPlatformCall\b/,
  /\b(?:AtWork|Addressee)\b/,
  // core
  /\bHappening\b/,
  /\bWishes\b/,
  /\bisOfTheQuestion\b/,
  /\bBotWatch\b/,
  /\bLogBound\b/,
  /\bhistoryOf\b/,
  /\brestsUntil\b/,
  /\.unkept\b/,
  /\bMemoryBus\b/,
  /\b(sure|weak): true\b/,
  // src/bots, src/conform, plugin
  /\bSocketHttp\b/,
  /\bBotSockets\b/,
  /\bLineAnswer\b/,
  /\bCallEnd\b/,
  /\bWhenFree\b/i,
  /\bUnreadable\b/,
  /\bcomesBack\b/,
  /\bfaultOfEvent\b/,
  /\binterface (?:Aside|Hearing|Wishes|Wire)\b/,
  /\bclass (?:Halt|Held|Plug|Line|Lines|Present|Lane)\b/,
  // core/people
  /\b(?:PeopleStore|StillVouches|VouchingParts|AuditBound|STRANGERS_LINES|sameText|ofTokens)\b/,
  /\b(?:BELIEVED|PER_NETWORK_LINES|PER_PERSON_LINES|HASHES_AT_ONCE|HASHES_WAITING|PER_FACTOR)\b/,
  // config, telemetry, backends, cli
  /\b(?:Tallies|WaitingLines|IndexingParts|catchStrays|stampOf|ownSockets|toldToStop|openForGateway)\b/,
  // src/web
  /\b(?:browserKeep|usePress|Surroundings|FirstMinute|MathSetter|SseReader|SseEvent|Waker|Hearer)\b/,
  /\b(?:BotCard|ConversationCard|KeyCard|SessionCard|useFresh|stateWord|hasColours|colourer)\b/,
  /\bclass (?:Keep|Press|Prose|News)\b/,
];

interface Source {
  readonly path: string;
  readonly text: string;
}

const sources = await read();

Deno.test("no file of src/ is longer than 400 lines, but tables", () => {
  assert.deepEqual(longFiles(sources), []);
  const paths = new Set(sources.map(({ path }) => path));
  assert.deepEqual(Object.keys(LONG_FILES).filter((path) => !paths.has(path)), []);
});

Deno.test("no function of src/ is longer than 80 lines", () => {
  assert.deepEqual(longFunctions(sources), []);
});

Deno.test("no name hides a name of the platform", () => {
  assert.deepEqual(hidden(sources), []);
});

Deno.test("no retired name comes back", () => {
  assert.deepEqual(retired(sources), []);
});

Deno.test("lines end at column 100, but those that a string fills", () => {
  assert.deepEqual(longLines(sources), []);
});

function longFiles(list: readonly Source[]): string[] {
  return list.filter(({ path }) => path.startsWith("src/") && !(path in LONG_FILES)).flatMap(
    ({ path, text }) => {
      const lines = text.split("\n").length - 1;
      return lines > MAX_FILE ? [`${path}: ${lines}`] : [];
    },
  );
}

function longFunctions(list: readonly Source[]): string[] {
  const found: string[] = [];
  for (const { path, text } of list) {
    if (!path.startsWith("src/")) continue;
    const file = parse(path, text);
    const visit = (node: ts.Node) => {
      if (ts.isFunctionLike(node) && "body" in node && node.body) {
        const first = file.getLineAndCharacterOfPosition(node.getStart()).line;
        const lines = file.getLineAndCharacterOfPosition(node.end).line - first + 1;
        if (lines > MAX_FUNCTION) found.push(`${path}:${first + 1}: ${lines}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return found;
}

function hidden(list: readonly Source[]): string[] {
  const found: string[] = [];
  for (const { path, text } of list) {
    if (!/^(src|plugin\/src)\//.test(path)) continue;
    const file = parse(path, text);
    const visit = (node: ts.Node) => {
      if (declares(node) && node.name && PLATFORM.has(node.name.getText())) {
        const { line } = file.getLineAndCharacterOfPosition(node.getStart());
        found.push(`${path}:${line + 1}: ${node.name.getText()}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return found;
}

type Declaration = ts.Node & { readonly name?: ts.Node };

function declares(node: ts.Node): node is Declaration {
  return ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) || ts.isFunctionDeclaration(node) ||
    ts.isImportSpecifier(node) || ts.isVariableDeclaration(node) || ts.isEnumDeclaration(node);
}

function retired(list: readonly Source[]): string[] {
  return list.filter(({ path }) => path !== "tests/house_test.ts").flatMap(({ path, text }) =>
    RETIRED.flatMap((name) => {
      const found = name.exec(text);
      return found ? [`${path}: ${found[0]}`] : [];
    })
  );
}

function longLines(list: readonly Source[]): string[] {
  return list.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) =>
      line.length > MAX_LINE && !isFilledByString(line) ? [`${path}:${index + 1}`] : []
    )
  );
}

/** Whether the line is long because of a string, a pattern or an address, which are not broken. */
function isFilledByString(line: string): boolean {
  if (/^\s*(\/\/|\*)/.test(line)) return /\S{80}/.test(line);
  return /["'`\/]/.test(line) || /^[^a-z]*$/i.test(line);
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

async function read(): Promise<Source[]> {
  const list: Source[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory) await walk(`${path}/`);
      else if (/\.tsx?$/.test(entry.name) && !entry.name.endsWith(".d.ts")) {
        list.push({ path, text: await Deno.readTextFile(new URL(path, ROOT)) });
      }
    }
  };
  for (const folder of ["src/", "plugin/src/", "tests/", "bench/", "deploy/", "examples/"]) {
    await walk(folder);
  }
  return list.sort((a, b) => a.path < b.path ? -1 : 1);
}

if (import.meta.main) {
  const below = sources.filter(({ path }) => path.startsWith(Deno.args[0] ?? ""));
  const checks = { longFiles, longFunctions, hidden, retired, longLines };
  for (const [name, check] of Object.entries(checks)) {
    const found = check(below);
    console.log(`${name}: ${found.length}`);
    for (const line of found) console.log(`  ${line}`);
  }
}
