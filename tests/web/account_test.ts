/** What a person does with their own account, and the ways to sign in, in a browser. */
import assert from "node:assert/strict";
import { systemClock } from "../../src/core/clock.ts";
import { FeishuEmulator } from "../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../src/emulate/serve.ts";
import { quiet, startProvider } from "../channels/sign_in/oidc_server.ts";
import { totpCode } from "../../src/core/people/totp.ts";
import { openScene, reply, type Visit } from "./harness.ts";
import { lacks } from "../needs.ts";

const options = { ignore: await lacks("chromium") };

async function settings({ tab }: Visit): Promise<void> {
  await tab.keyboard.press("Control+,");
  await tab.locator("dialog").waitFor();
}

Deno.test(
  "a person makes a key for one bot, copies it once, uses it and revokes it",
  options,
  async () => {
    await using scene = await openScene();
    const { world } = scene;
    const bot = await world.bot("parrot", { botName: "Parrot" });
    await world.bot("owl", { botName: "Owl" });
    bot.answerAll((chat) => reply(bot, chat, "heard", true));
    const visit = await scene.visit();
    const { tab } = visit;
    await visit.sees("Parrot", ".cards");
    await settings(visit);
    await tab.getByRole("button", { name: "Make a key" }).click();
    assert.equal(
      await tab.getByLabel("administer the gateway").count(),
      0,
      "a member's key administers nothing",
    );
    await tab.getByLabel("What it is for").fill("notebook");
    await tab.getByLabel("only these").check();
    await tab.getByRole("button", { name: "Make a key" }).click();
    await visit.sees("Choose at least one bot.", "dialog");
    await tab.locator(".key-bots").getByLabel("Parrot").check();
    await tab.getByLabel("Ends").selectOption("30");
    await tab.getByRole("button", { name: "Make a key" }).click();
    const token = await tab.locator(".new-key code").textContent();
    assert.match(token!, /^nxk_[0-9a-f]{48}$/);
    const ask = (target: string) =>
      fetch(`${world.url}/api/chat`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ message: "hi", target }),
      });
    assert.equal((await (await ask("parrot")).json()).content, "heard");
    const other = await ask("owl");
    await other.body?.cancel();
    assert.notEqual(other.status, 200, "the key opens one bot only");
    await tab.getByRole("button", { name: "Done" }).click();
    assert.equal(await tab.getByText(token!).count(), 0, "it is told once");
    await visit.sees("notebook", ".keys-of");
    await visit.sees(/chat, read · parrot/, ".keys-of");
    tab.on("dialog", (dialog) => void dialog.accept());
    await tab.locator(".keys-of").getByRole("button", { name: "Revoke" }).click();
    await tab.locator(".keys-of li").waitFor({ state: "detached" });
    const after = await ask("parrot");
    await after.body?.cancel();
    assert.equal(after.status, 401);
    assert.deepEqual(visit.faults, []);
  },
);

Deno.test(
  "a second factor is set up, asked for at the next sign-in, and taken away",
  options,
  async () => {
    await using scene = await openScene();
    const visit = await scene.visit();
    const { tab } = visit;
    await settings(visit);
    await tab.getByRole("button", { name: "Set up" }).click();
    await tab.getByRole("img", { name: "QR code for an authenticator app" }).waitFor();
    const secret = (await tab.locator(".factor code").textContent())!.replaceAll(" ", "");
    assert.ok((await tab.locator(".factor a").getAttribute("href"))!.startsWith("otpauth://totp/"));
    const code = async (steps: number) =>
      await totpCode(secret, Math.floor(Date.now() / 30_000) + steps);
    await tab.getByLabel("Code that the app shows").fill("000000");
    await tab.getByRole("button", { name: "Confirm" }).click();
    await tab.locator("dialog .error").filter({ hasText: /\S/ }).waitFor();
    await tab.getByLabel("Code that the app shows").fill(await code(-1));
    await tab.getByRole("button", { name: "Confirm" }).click();
    const codes = (await tab.locator(".new-key code").textContent())!.split("\n");
    assert.ok(codes.length >= 8, `${codes}`);
    await tab.getByRole("button", { name: "I have kept them" }).click();
    await visit.sees("Signing in also asks for a code", "dialog");
    assert.deepEqual(visit.faults, []);
    await visit.close();

    for (const second of [await code(0), codes[0]!]) {
      const again = await scene.open();
      await again.tab.fill("[name=username]", "alice");
      await again.tab.fill("[name=password]", "alice-pass");
      await again.tab.press("[name=password]", "Enter");
      await again.tab.getByLabel("One-time code").fill("111111");
      await again.tab.keyboard.press("Enter");
      await again.tab.locator("#sign-in-error").filter({ hasText: /\S/ }).waitFor();
      await again.tab.getByLabel("One-time code").fill(second);
      await again.tab.keyboard.press("Enter");
      await again.tab.waitForSelector("#composer");
      if (second === codes[0]) {
        await settings(again);
        await again.tab.getByRole("button", { name: "Turn off" }).click();
        await again.tab.locator("dialog").getByLabel("Password", { exact: true }).fill(
          "alice-pass",
        );
        await again.tab.locator("dialog").getByRole("button", { name: "Turn off" }).last().click();
        await again.sees("Signing in asks for your password only.", "dialog");
      }
      assert.deepEqual(again.faults, []);
      await again.close();
    }
    await scene.visit();
  },
);

Deno.test(
  "a code from Feishu links the account there, and an admin sees and does the same for others",
  options,
  async () => {
    const keys = {
      appId: "cli_0123456789abcdef",
      appSecret: "s",
      encryptKey: "key",
      verificationToken: "token",
    };
    // The gateway's address is known after the platform's, so what it sends waits for it.
    const gateway = Promise.withResolvers<(request: Request) => Promise<Response>>();
    const emulator = new FeishuEmulator({
      ...keys,
      clock: systemClock,
      callbackUrl: "http://nexus.test/channels/feishu/main",
      deliver: async (request) => await (await gateway.promise)(request),
    });
    const served = serveOn(0, (request) => emulator.fetch(request));
    {
      await using scene = await openScene({
        channels: {
          feishu: { main: { ...keys, mode: "webhook", baseUrl: served.url, access: "pairing" } },
        },
      });
      const { world } = scene;
      gateway.resolve((request) =>
        Promise.resolve(world.app.fetch(request, { address: "10.0.0.9" }))
      );
      const codeOf = async (chat: string, sender: string) => {
        emulator.say({ chat, sender, text: "hello" });
        while (emulator.log.finals(chat).length === 0) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        return /\*\*(\w{8})\*\*/.exec(emulator.log.finals(chat).at(-1)!.text)![1]!;
      };
      const code = await codeOf("oc_1", "ou_alice");
      const visit = await scene.visit({ locale: "zh-CN" });
      const { tab } = visit;
      await settings(visit);
      await visit.sees("在飞书里私聊机器人", "dialog");
      await tab.getByLabel("聊天里收到的配对码").fill("AAAAAAAA");
      await tab.getByRole("button", { name: "绑定" }).click();
      await tab.locator("dialog .error").filter({ hasText: /\S/ }).waitFor();
      await tab.getByLabel("聊天里收到的配对码").fill(code);
      await tab.getByRole("button", { name: "绑定" }).click();
      await visit.sees("飞书里会询问是否绑定此账号");
      while (emulator.log.finals("oc_1").length < 2) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      emulator.say({ chat: "oc_1", sender: "ou_alice", text: "yes" });
      tab.on("dialog", (dialog) => void dialog.accept());
      await tab.getByRole("button", { name: "解绑" }).click();
      await tab.getByRole("button", { name: "解绑" }).waitFor({ state: "detached" });
      assert.deepEqual(visit.faults, []);
      await visit.close();

      const waiting = await codeOf("oc_2", "ou_bob");
      const admin = await scene.visit({ user: "root" });
      await admin.tab.getByRole("button", { name: "Administration" }).click();
      await admin.tab.getByRole("tab", { name: "Chat apps" }).click();
      await admin.sees("feishu/main", ".list");
      const row = admin.tab.locator("tr", { hasText: waiting });
      await row.getByLabel("Account").selectOption("bob");
      await row.getByRole("button", { name: "Link" }).click();
      const linked = admin.tab.locator("tr", { hasText: "ou_bob" });
      await linked.getByText("bob", { exact: true }).waitFor();
      admin.tab.on("dialog", (dialog) => void dialog.accept());
      await linked.getByRole("button", { name: "Unlink" }).click();
      await linked.waitFor({ state: "detached" });
      assert.deepEqual(admin.faults, []);
      await admin.close();
    }
    emulator.stop();
    await served.close();
  },
);

Deno.test(
  "who is vouched for elsewhere signs in by a button; a refusal is told in words, in both languages",
  options,
  async () => {
    await using scene = await openScene({
      signIn: { proxy: { header: "x-remote-user", from: ["127.0.0.1"] } },
    });
    for (
      const [locale, button, words] of [
        ["en-US", "Sign in with single sign-on", "You may not sign in this way"],
        ["zh-CN", "使用单点登录登录", "无法用这种方式登录"],
      ] as const
    ) {
      const visit = await scene.open({ locale });
      const { tab } = visit;
      await tab.getByRole("link", { name: button }).click();
      await visit.sees(words, "[role=alert]");
      assert.equal(new URL(tab.url()).search, "", "a reload does not tell it again");
      await visit.context.setExtraHTTPHeaders({ "x-remote-user": "dana" });
      await tab.getByRole("link", { name: button }).click();
      await tab.waitForSelector("#composer");
      assert.deepEqual(visit.faults, []);
      await visit.close();
    }
    const strange = await scene.open({ path: "/?sign_in=internal" });
    await strange.sees("answered with a failure", "[role=alert]");
    await strange.close();
  },
);

Deno.test(
  "the company's OpenID provider signs a person in, there and back",
  options,
  () =>
    quiet(async () => {
      // The provider must know our address and we must know its: a port is taken first.
      const probe = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      const { port } = probe.addr;
      probe.close();
      const provider = await startProvider(() =>
        `http://127.0.0.1:${port}/api/sign-in/oidc/callback`
      );
      {
        await using scene = await openScene({
          publicUrl: `http://127.0.0.1:${port}`,
          signIn: {
            oidc: {
              issuer: provider.url,
              name: "Example Ltd",
              clientId: "nexus",
              clientSecret: "client-secret",
              scope: "openid profile email groups",
              domains: ["example.com"],
              allowHttp: true,
            },
          },
        });
        // The scene listens where it likes; its public address is a door to it.
        const front = Deno.serve(
          { port, hostname: "127.0.0.1", onListen() {} },
          (request) => scene.world.app.fetch(request, { address: "127.0.0.1" }),
        );
        for (const [login, comesIn] of [["dana", true], ["oscar", false]] as const) {
          const { tab, context } = await scene.open();
          await tab.goto(`http://127.0.0.1:${port}/`);
          await tab.getByRole("link", { name: "Sign in with Example Ltd" }).click();
          await tab.fill("[name=login]", login);
          await tab.fill("[name=password]", "any");
          await tab.press("[name=password]", "Enter");
          await tab.locator("button[type=submit]").click();
          if (comesIn) await tab.waitForSelector("#composer");
          else await tab.getByText("You may not sign in this way").waitFor();
          await context.close();
        }
        await scene.browser.close();
        await front.shutdown();
      }
      await provider.close();
    }),
);
