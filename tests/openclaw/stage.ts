/**
 * This is the stage: one OpenClaw with the built plugin, this project's gateway before it, a fake
 * model after it, and three accounts that let people in by three policies.
 */
import { buildPlugin } from "../../plugin/build.ts";
import { type FakeModel, startFakeModel } from "./fake_model.ts";
import { modelAt, NEWEST, OpenClaw, ourGateway, type Person, until } from "./lab.ts";

export type OurGateway = Awaited<ReturnType<typeof ourGateway>>;

export interface Stage {
  readonly model: FakeModel;
  readonly claw: OpenClaw;
  /** May be replaced by one that was started again. */
  nexus: OurGateway;
  readonly alice: Person;
  readonly bob: Person;
  /** Waits until the three bots are there. */
  online(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds that turns wait for a bot whose line dropped. */
export const GRACE = 15_000;

/** Sets it, and lets OpenClaw warm up with a first answer. */
export async function setStage(): Promise<Stage> {
  const tarball = await buildPlugin(
    new URL(`file://${await Deno.makeTempDir({ prefix: "nexus-plugin-" })}/`),
  );
  const model = startFakeModel();
  const nexus = await ourGateway({ more: { resumeGrace: GRACE } });
  const claw = await OpenClaw.open(NEWEST, () => ({ models: modelAt(model.url) }));
  const stage = {
    ...{ model, claw, nexus },
    alice: await nexus.signIn("alice"),
    bob: await nexus.signIn("bob"),
    async online() {
      await until(
        "the bots",
        async () => (await stage.nexus.bots()).sort().join() === "claw,listed,paired",
      );
    },
    async close() {
      await claw.close();
      await stage.nexus.close();
      await model.close();
    },
  };
  try {
    await claw.install(tarball);
    await claw.patch({
      commands: { ownerAllowFrom: ["nexus:alice"] },
      // With many tools OpenClaw hides most of them behind a search, of which the fake model knows
      // nothing.
      tools: { toolSearch: false },
      session: { dmScope: "per-account-channel-peer" },
      channels: {
        nexus: {
          ...{ enabled: true, serverUrl: nexus.botUrl, botId: "claw", token: "bot-token" },
          ...{ dmPolicy: "open", allowFrom: ["*"], showTools: true },
          accounts: {
            paired: { botId: "paired", dmPolicy: "pairing" },
            listed: { botId: "listed", dmPolicy: "allowlist", allowFrom: ["alice"] },
          },
        },
      },
    });
    await claw.start();
    await stage.online();
    await stage.alice.ask("#model:words 2 1", { target: "claw" });
  } catch (error) {
    console.error(claw.gateway?.output.slice(-3000));
    await stage.close();
    throw error;
  }
  return stage;
}

/**
 * One step. Its failure is printed at once, because the others take minutes. `OPENCLAW_STEPS`, a
 * regular expression, picks.
 */
export async function step(
  t: Deno.TestContext,
  name: string,
  run: () => Promise<void>,
): Promise<void> {
  const chosen = Deno.env.get("OPENCLAW_STEPS");
  await t.step({
    name,
    ignore: chosen !== undefined && !new RegExp(chosen).test(name),
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      try {
        await run();
      } catch (error) {
        console.error(`${name}: ${error instanceof Error ? error.stack : error}`);
        throw error;
      }
    },
  });
}
