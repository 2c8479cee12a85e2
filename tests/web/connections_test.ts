import assert from "node:assert/strict";
import { FakeUpstream } from "../bots/upstream/fake_upstream.ts";
import { lacks } from "../needs.ts";
import { openScene } from "./harness.ts";

Deno.test(
  "an admin sees every connection, has them checked again, and reads in both languages what is wrong and what to do",
  { ignore: await lacks("chromium") },
  async () => {
    const model = new FakeUpstream("openai", { key: "sk-right" });
    {
      const gpt = { type: "openai", baseUrl: model.url, model: "first-model", apiKey: "sk-wrong" };
      await using scene = await openScene({ bots: { gpt } });
      await scene.world.bot("atlas");
      const visit = await scene.visit({ user: "root" });
      const { tab } = visit;
      await tab.getByRole("button", { name: "Administration" }).click();
      await tab.getByRole("tab", { name: "Connections" }).click();
      await visit.sees("All connections are well.");
      await visit.sees("atlas", ".connection");
      await tab.getByRole("button", { name: "Check again" }).click();
      await visit.sees("1 connection needs attention.");
      await visit.sees("the model API refuses the key", ".finding-error");
      await visit.sees("bots.gpt.apiKey", ".finding-error");
      assert.ok(!(await tab.content()).includes("sk-wrong"));
      assert.deepEqual(visit.faults, []);
      await visit.close();

      const phone = await scene.visit({
        user: "root",
        locale: "zh-CN",
        width: 390,
        height: 844,
        touch: true,
      });
      await phone.tab.goto(`${scene.world.url}/#/admin/connections`);
      await phone.sees("模型 API 拒绝了该密钥", ".finding-error");
      await phone.sees("处理方法：在厂商控制台的 API keys 页面创建密钥并填写", ".finding-error");
      assert.equal(
        await phone.tab.evaluate(() => document.documentElement.scrollWidth > innerWidth),
        false,
      );
      assert.deepEqual(phone.faults, []);
      await phone.close();
    }
    await model.close();
  },
);
