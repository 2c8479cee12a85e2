/**
 * How answers of the real OpenClaw end: what failed, broke off, was stopped or refused is told as
 * that, in `/api` and in `/v1`. A model that fails is asked again by OpenClaw for a minute and a
 * half, so this takes minutes.
 */
import assert from "node:assert/strict";
import { type Person, type Told, until } from "./lab.ts";
import { numbered } from "./fake_model.ts";
import { setStage, step } from "./stage.ts";
import { lacks } from "../needs.ts";

const options = { ignore: await lacks("npm"), sanitizeOps: false, sanitizeResources: false };

Deno.test(
  { ...options, name: "an answer of OpenClaw that is not whole never ends as one" },
  async (t) => {
    const stage = await setStage();
    const { alice, bob, claw } = stage;
    try {
      await step(
        t,
        "a model that answers 500 is a failure, and a line that is cut for good is incomplete",
        async () => {
          const [failed, broken, failed1, broken1] = await Promise.all([
            alice.ask("#model:fail", { target: "claw" }),
            bob.ask("#model:break 4 20", { target: "claw" }),
            askOpenAi(alice, "#model:fail"),
            askOpenAi(bob, "#model:break 4 20"),
          ]);
          assert.deepEqual([failed.text, ...endOf(failed)], ["", "failed", "bot_failed"]);
          assert.match(failed.events.find(({ type }) => type === "error")!.error!, /HTTP 500/);
          assert.deepEqual([broken.text, ...endOf(broken)], [
            numbered(4).join(""),
            "incomplete",
            "bot_failed",
          ]);
          assert.equal(failed1.text, "");
          assert.equal(broken1.text, numbered(4).join(""));
          for (const { finish, error, ended } of [failed1, broken1]) {
            assert.deepEqual([finish, error, ended], [undefined, "bot_failed", false]);
          }
        },
      );

      await step(t, "what /stop stopped ends as cancelled, here and there", async () => {
        let words = 0;
        const telling = alice.ask(
          "#model:words 200 50",
          { target: "claw" },
          ({ type }) => type === "chunk" && words++,
        );
        await until("some words", () => words > 5);
        const stop = await alice.ask("/stop", { target: "claw" });
        const told = await telling;
        assert.ok(told.chunks.length < 150, `${told.chunks.length} chunks`);
        assert.deepEqual(endOf(told), ["cancelled", undefined]);
        assert.deepEqual(endOf(stop), ["done", undefined]);

        words = 0;
        let conversationId = "";
        const openai = askOpenAi(alice, "#model:words 200 50", (id) => {
          conversationId = id;
          words++;
        });
        await until("some words", () => words > 5);
        await alice.ask("/stop", { target: "claw", conversationId });
        const { finish, error, ended } = await openai;
        assert.deepEqual([finish, error, ended], [undefined, "cancelled", false]);
      });

      await step(t, "who is not on the list is refused as such, and not as a crash", async () => {
        const told = await bob.ask("hello", { target: "listed" });
        assert.deepEqual(endOf(told), ["failed", "bot_declined"]);
        const { status, error } = await askOpenAi(bob, "hello", undefined, "listed");
        assert.deepEqual([status, error], [403, "bot_declined"]);
      });

      await step(t, "the steps of a command carry what it printed", async () => {
        const told = await alice.ask("#model:tool echo forty-two", { target: "claw" });
        const steps = told.events.filter(({ type }) => type === "tool").map(({ content }) =>
          JSON.parse(content!)
        );
        assert.deepEqual(steps.map(({ status }) => status), ["start", "update", "end"]);
        assert.deepEqual([steps.at(-1).output, steps.at(-1).exitCode], ["forty-two", 0]);
      });

      await step(
        t,
        "a question that comes while OpenClaw goes on with what its restart cut off is answered",
        async () => {
          let words = 0;
          const cut = alice.ask(
            "REMEMBER #model:words 400 50",
            { target: "claw" },
            ({ type }) => type === "chunk" && words++,
          );
          await until("some words", () => words > 10);
          await claw.stop("SIGKILL");
          assert.equal(endOf(await cut)[0], "incomplete");
          await claw.start();
          await stage.online();
          const told = await alice.ask("#model:words 3 5", { target: "claw" });
          assert.match(told.text, /w1 w2 w3/);
        },
      );

      await step(
        t,
        "OpenClaw is killed in mid-answer: the person is told within 8 s, and not after the grace",
        async () => {
          let words = 0;
          const telling = bob.ask(
            "#model:words 400 50",
            { target: "claw" },
            ({ type }) => type === "chunk" && words++,
          );
          await until("some words", () => words > 10);
          const killed = performance.now();
          await claw.stop("SIGKILL");
          const told = await telling;
          const after = told.events.at(-1)!.at - killed;
          console.log(`told ${Math.round(after)} ms after OpenClaw was killed`);
          assert.deepEqual(endOf(told), ["incomplete", "bot_gone"]);
          assert.ok(after < 8000, `${after} ms`);
        },
      );
    } catch (error) {
      console.error(claw.gateway?.output.slice(-3000));
      throw error;
    } finally {
      await stage.close();
    }
  },
);

function endOf(told: Told): [status: string | undefined, code: string | undefined] {
  const end = told.events.findLast(({ type }) => type === "end");
  return [end?.status, end?.code as string | undefined];
}

interface OpenAiTold {
  readonly status: number;
  readonly text: string;
  /** The last `finish_reason`. */
  readonly finish: string | undefined;
  /** The code of the error that came last, or instead. */
  readonly error: string | undefined;
  /** Whether `[DONE]` came. */
  readonly ended: boolean;
}

/**
 * Asks in OpenAI's manner, as a stream, and reads what its clients would. `onWord` hears the
 * conversation of each word.
 */
async function askOpenAi(
  person: Person,
  content: string,
  onWord: (conversationId: string) => void = () => {},
  model = "claw",
): Promise<OpenAiTold> {
  const response = await person.call("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content }] }),
  });
  let text = "", rest = "", finish: string | undefined, error: string | undefined, ended = false;
  const take = (data: string) => {
    if (data === "[DONE]") return void (ended = true);
    const event = JSON.parse(data);
    error = event.error?.code ?? error;
    const choice = event.choices?.[0];
    finish = choice?.finish_reason ?? finish;
    if (choice?.delta?.content) {
      text += choice.delta.content;
      onWord(response.headers.get("x-conversation-id") ?? "");
    }
  };
  if (!response.ok) {
    return {
      status: response.status,
      text,
      finish,
      error: (await response.json()).error.code,
      ended,
    };
  }
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith("data: ")) take(line.slice(6));
  }
  return { status: response.status, text, finish, error, ended };
}
