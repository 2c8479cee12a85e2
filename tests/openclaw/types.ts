/**
 * The types: the plugin's sources compiled against the SDK's own declarations, strictly. The ones
 * in `plugin/types` only stand in.
 */
import assert from "node:assert/strict";
import ts from "typescript";
import { installed, NEWEST, nodeFolder } from "./lab.ts";
import { lacks } from "../needs.ts";

const SOURCES = ["index.ts", "setup_entry.ts", "secret_contract_api.ts", "doctor_contract_api.ts"];

Deno.test({
  name: `the plugin compiles against the declarations of OpenClaw ${NEWEST}`,
  ignore: await lacks("npm"),
}, async () => {
  const openclaw = await installed("openclaw", NEWEST, await nodeFolder());
  const node = await installed("@types/node", "24.10.1");
  const root = new URL("../../plugin/src/", import.meta.url).pathname;
  const program = ts.createProgram(SOURCES.map((name) => root + name), {
    strict: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    preserveSymlinks: true,
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    types: ["node"],
    typeRoots: [node.replace(/\/node$/, "")],
    paths: { "openclaw/plugin-sdk/*": [`${openclaw}/dist/plugin-sdk/*.d.ts`] },
  });
  const found = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file && start !== undefined
      ? file.getLineAndCharacterOfPosition(start).line + 1
      : 0;
    return `${file?.fileName.split("/").at(-1)}:${line} ${
      ts.flattenDiagnosticMessageText(messageText, " ")
    }`;
  });
  assert.deepEqual(found.slice(0, 20), []);
  // A wrong path would make everything `any`, and so everything right.
  assert.ok(
    program.getSourceFiles().some(({ fileName }) =>
      fileName.endsWith("plugin-sdk/channel-core.d.ts")
    ),
  );
});
