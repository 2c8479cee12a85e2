import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { FLOW_LIFETIME_MS } from "../../../src/channels/sign_in/flow.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { NETWORK_SIGN_IN_RATE } from "../../../src/core/people/sign_in_limits.ts";
import { startWorld } from "../../world.ts";
import { listen, quiet, startProvider } from "./oidc_server.ts";

/** A browser as far as it matters: cookies by host, redirects one at a time. */
class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();

  async go(
    url: string,
    init: RequestInit = {},
  ): Promise<{ status: number; location?: string; text: string }> {
    const at = new URL(url);
    const jar = this.#cookies.get(at.host) ?? new Map<string, string>();
    this.#cookies.set(at.host, jar);
    const headers = new Headers(init.headers);
    if (jar.size > 0) {
      headers.set(
        "cookie",
        [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
      );
    }
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0]!.split("=", 2) as [string, string];
      if (value === "" || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    const location = response.headers.get("location");
    return {
      status: response.status,
      location: location === null ? undefined : new URL(location, url).href,
      text: await response.text(),
    };
  }

  /**
   * Follows redirects until a page of the gateway itself, filling in the provider's forms on the
   * way.
   */
  async walk(url: string, gateway: string, login: string): Promise<string> {
    let at = url;
    for (let hops = 0; hops < 20; hops++) {
      const { status, location, text } = await this.go(at);
      if (location !== undefined) {
        if (location.startsWith(gateway) && !location.includes("/api/sign-in/")) return location;
        at = location;
        continue;
      }
      assert.equal(status, 200, `${at}: ${status} ${text}`);
      const form = /action="([^"]+)"/.exec(text)![1]!;
      const prompt = /name="prompt" value="([^"]+)"/.exec(text)![1]!;
      const next = await this.go(new URL(form, at).href, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ prompt, login, password: "any" }),
      });
      at = next.location!;
    }
    throw new Error("too many redirects");
  }
}

Deno.test("people sign in with OpenID Connect, by verified domain and group, and get the role of their group", () =>
  quiet(async () => {
    let callback = "";
    // The provider must know our address and we must know its: a port is taken first.
    const probe = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const port = probe.addr.port;
    probe.close();
    callback = `http://127.0.0.1:${port}/api/sign-in/oidc/callback`;
    const provider = await startProvider(() => callback);
    try {
      await using world = await startWorld({
        publicUrl: `http://127.0.0.1:${port}`,
        signIn: {
          oidc: {
            issuer: provider.url,
            clientId: "nexus",
            clientSecret: "client-secret",
            scope: "openid profile email groups",
            domains: ["example.com"],
            groups: ["staff"],
            adminGroups: ["ops"],
            bots: { staff: ["helper"] },
            allowHttp: true,
          },
        },
      });
      // The world listens where it likes; its public address is a door to it.
      const front = Deno.serve(
        { port, hostname: "127.0.0.1", onListen() {} },
        (request) => world.app.fetch(request, { address: "127.0.0.1" }),
      );
      const gateway = `http://127.0.0.1:${port}`;
      const { providers } = await (await fetch(`${gateway}/api/sign-in`)).json();
      assert.deepEqual(providers, [{
        id: "oidc",
        name: "OpenID Connect",
        url: "/api/sign-in/oidc",
      }]);

      const dana = new Browser();
      assert.equal(await dana.walk(`${gateway}/api/sign-in/oidc`, gateway, "dana"), `${gateway}/`);
      const me = JSON.parse((await dana.go(`${gateway}/api/me`)).text);
      assert.deepEqual(me.user, {
        id: "oidc:dana",
        username: "oidc:dana",
        displayName: "Dana",
        role: "admin",
      });
      const eli = new Browser();
      await eli.walk(`${gateway}/api/sign-in/oidc`, gateway, "eli");
      assert.equal(JSON.parse((await eli.go(`${gateway}/api/me`)).text).user.role, "member");
      assert.deepEqual(world.app.accounts.person("oidc:eli")!.bots, ["helper"]);
      for (const name of ["mallory", "oscar", "nina"]) {
        const browser = new Browser();
        assert.equal(
          await browser.walk(`${gateway}/api/sign-in/oidc`, gateway, name),
          `${gateway}/?sign_in=forbidden`,
          name,
        );
        assert.equal((await browser.go(`${gateway}/api/me`)).status, 401);
      }

      // A flow that was begun in another browser, a state that nobody began, and a flow that is
      // used twice.
      const victim = new Browser(), attacker = new Browser();
      const begun = (await attacker.go(`${gateway}/api/sign-in/oidc`)).location!;
      const state = new URL(begun).searchParams.get("state")!;
      assert.ok(new URL(begun).searchParams.get("code_challenge"));
      const back = `${gateway}/api/sign-in/oidc/callback?code=x&state=`;
      assert.match((await victim.go(back + state)).location!, /sign_in=forbidden/);
      assert.match((await attacker.go(back + state)).location!, /sign_in=forbidden/);
      assert.match((await attacker.go(`${back}${"0".repeat(64)}`)).location!, /sign_in=forbidden/);
      assert.match(
        (await attacker.go(`${gateway}/api/sign-in/oidc/callback`)).location!,
        /sign_in=forbidden/,
      );
      assert.equal((await attacker.go(`${gateway}/api/sign-in/none`)).status, 400);
      await front.shutdown();
    } finally {
      await provider.close();
    }
  }));

/** Answers like the three platforms, with the codes that this test hands out. */
function startOffice() {
  return listen(
    () =>
    async (
      request: AsyncIterable<Uint8Array> & { url: string; headers: Record<string, string> },
      response: { end(text: string): void },
    ) => {
      let text = "";
      for await (const part of request) text += new TextDecoder().decode(part);
      const { pathname, searchParams } = new URL(request.url, "http://office");
      const body = text ? JSON.parse(text) : {};
      const say = (value: unknown) => response.end(JSON.stringify(value));
      if (pathname === "/open-apis/authen/v2/oauth/token") {
        const right = body.client_secret === "lark-secret" && body.code === "good" &&
          body.code_verifier;
        return say(right ? { code: 0, access_token: "lark-token" } : { code: 20003 });
      }
      if (pathname === "/open-apis/authen/v1/user_info") {
        const right = request.headers.authorization === "Bearer lark-token";
        return say(
          right
            ? {
              code: 0,
              data: { open_id: "ou_1", union_id: "on_1", tenant_key: "tenant1", name: "李雷" },
            }
            : { code: 20005 },
        );
      }
      if (pathname === "/v1.0/oauth2/userAccessToken") {
        const right = body.clientSecret === "ding-secret" &&
          ["good", "outsider"].includes(body.code);
        return say(
          right
            ? { accessToken: "ding-token", corpId: body.code === "good" ? "corp" : "other" }
            : { code: "invalidAuthCode" },
        );
      }
      if (pathname === "/v1.0/contact/users/me") return say({ nick: "韩梅梅", unionId: "union1" });
      if (pathname === "/cgi-bin/gettoken") {
        return say({ errcode: 0, access_token: "we-token", expires_in: 7200 });
      }
      if (pathname === "/cgi-bin/auth/getuserinfo") {
        const code = searchParams.get("code");
        return say(
          code === "good"
            ? { errcode: 0, userid: "zhang" }
            : code === "outsider"
            ? { errcode: 0, openid: "o1" }
            : { errcode: 40029 },
        );
      }
      if (pathname === "/cgi-bin/user/get") return say({ errcode: 0, name: "张三" });
      say({});
    },
  );
}

Deno.test("people sign in with Feishu, DingTalk and WeCom; outsiders and wrong codes do not", async () => {
  const office = await startOffice();
  try {
    const places = { login: office.url, api: office.url };
    await using world = await startWorld({
      signIn: {
        lark: { appId: "cli_1", appSecret: "lark-secret", ...places },
        dingtalk: { appKey: "ding1", appSecret: "ding-secret", corpId: "corp", ...places },
        wecom: { corpId: "ww1", agentId: "1000002", secret: "we-secret", ...places },
      },
    });
    const expected = {
      lark: ["lark:cli_1:ou_1", "李雷"],
      dingtalk: ["dingtalk:ding1:union1", "韩梅梅"],
      wecom: ["wecom:ww1:zhang", "张三"],
    };
    for (const [id, [username, displayName]] of Object.entries(expected)) {
      for (const code of ["good", "wrong", "outsider", ""]) {
        const browser = new Browser();
        const out = new URL((await browser.go(`${world.url}/api/sign-in/${id}`)).location!);
        assert.equal(out.origin, office.url);
        const redirect = out.searchParams.get("redirect_uri")!;
        assert.equal(redirect, `${world.url}/api/sign-in/${id}/callback`);
        const name = id === "dingtalk" ? "authCode" : "code";
        const back = await browser.go(
          `${redirect}?${name}=${code}&state=${out.searchParams.get("state")}`,
        );
        if (code !== "good") {
          assert.match(back.location!, /sign_in=forbidden/, `${id} ${code}`);
          assert.equal((await browser.go(`${world.url}/api/me`)).status, 401);
          continue;
        }
        assert.equal(back.location, `${world.url}/`);
        const { user } = JSON.parse((await browser.go(`${world.url}/api/me`)).text);
        assert.deepEqual(user, { id: username, username, displayName, role: "member" });
      }
    }
    const told = JSON.stringify(world.happenings);
    for (const secret of ["lark-secret", "ding-secret", "we-secret", "lark-token"]) {
      assert.ok(!told.includes(secret));
    }
  } finally {
    await office.close();
  }
});

Deno.test("a reverse proxy's word counts only from the listed addresses", async () => {
  const enter = async (settings: Record<string, unknown>, headers: Record<string, string>) => {
    await using world = await startWorld(settings);
    const browser = new Browser();
    const { status, location } = await browser.go(`${world.url}/api/sign-in/proxy`, { headers });
    const me = await browser.go(`${world.url}/api/me`);
    return {
      status,
      location: location?.replace(world.url, ""),
      user: me.status === 200 ? JSON.parse(me.text).user : undefined,
    };
  };
  const trusted = { signIn: { proxy: { nameHeader: "x-name", from: ["127.0.0.1"] } } };
  const named = { "x-remote-user": "frank", "x-name": "Frank" };
  assert.deepEqual(await enter(trusted, named), {
    status: 302,
    location: "/",
    user: { id: "proxy:frank", username: "proxy:frank", displayName: "Frank", role: "member" },
  });
  assert.equal((await enter(trusted, {})).location, "/?sign_in=forbidden");
  assert.equal(
    (await enter({ signIn: { proxy: { from: ["10.0.0.1"] } } }, named)).location,
    "/?sign_in=forbidden",
  );
  // What stands in X-Forwarded-For is not who stands at the socket.
  const disguised = { ...named, "x-forwarded-for": "10.0.0.1" };
  assert.equal(
    (await enter({ signIn: { proxy: { from: ["10.0.0.1"] } } }, disguised)).location,
    "/?sign_in=forbidden",
  );
  assert.equal((await enter({}, named)).status, 400);
});

Deno.test("a sign-in that a stranger begins stores nothing, and comes back once, in time, to the browser that began it", async () => {
  const office = await startOffice();
  const clock = new ManualClock(Date.now());
  const store = new MemoryStore({ now: () => clock.now() });
  try {
    const lark = { appId: "cli_1", appSecret: "lark-secret", login: office.url, api: office.url };
    const dingtalk = {
      appKey: "k",
      appSecret: "ding-secret",
      corpId: "corp",
      login: office.url,
      api: office.url,
    };
    await using world = await startWorld({ signIn: { lark, dingtalk } }, { store, clock });
    const keys = async () => (await store.list("")).map(([key]) => key);
    const before = await keys();
    const begin = async (browser: Browser, provider = "lark") =>
      new URL((await browser.go(`${world.url}/api/sign-in/${provider}`)).location!).searchParams
        .get("state")!;
    const back = async (browser: Browser, state: string, provider = "lark") =>
      (await browser.go(
        `${world.url}/api/sign-in/${provider}/callback?code=good&authCode=good&state=${state}`,
      ))
        .location!.replace(world.url, "");
    for (let n = 0; n < 200; n++) await begin(new Browser());
    assert.deepEqual(await keys(), before);
    assert.doesNotMatch(JSON.stringify(world.happenings), /fault/);

    // A cookie of another flow, of another provider, made up, or kept too long.
    const mine = new Browser(), other = new Browser();
    const state = await begin(mine);
    await begin(other);
    assert.equal(await back(other, state), "/?sign_in=forbidden");
    const forDingtalk = await begin(mine, "dingtalk");
    assert.equal(await back(mine, forDingtalk), "/?sign_in=forbidden");
    const late = await begin(mine);
    clock.pass(FLOW_LIFETIME_MS + 1);
    assert.equal(await back(mine, late), "/?sign_in=forbidden");
    for (const cookie of ["", "x", "A".repeat(100), "A".repeat(10_000), "%%%"]) {
      const response = await fetch(
        `${world.url}/api/sign-in/lark/callback?code=good&state=${state}`,
        {
          headers: { cookie: `nexus_sign_in=${cookie}` },
          redirect: "manual",
        },
      );
      await response.body?.cancel();
      assert.match(response.headers.get("location")!, /sign_in=forbidden/);
    }

    // What the browser carries tells it nothing, and is good once, also where the browser keeps it.
    const begun = await fetch(`${world.url}/api/sign-in/lark`, { redirect: "manual" });
    await begun.body?.cancel();
    const good = new URL(begun.headers.get("location")!).searchParams.get("state")!;
    const cookie = begun.headers.getSetCookie()[0]!;
    for (const attribute of ["Path=/api/sign-in", "HttpOnly", "SameSite=Lax", "Max-Age=600"]) {
      assert.ok(cookie.split("; ").includes(attribute), attribute);
    }
    assert.ok(
      !cookie.includes(good) &&
        !atob(cookie.split(/[=;]/)[1]!.replace(/[-_]/g, "A")).includes("state"),
    );
    const again = async () => {
      const headers = { cookie: cookie.split(";")[0]! };
      const url = `${world.url}/api/sign-in/lark/callback?code=good&state=${good}`;
      const response = await fetch(url, { headers, redirect: "manual" });
      await response.body?.cancel();
      return response.headers.get("location");
    };
    assert.equal(await again(), "/");
    assert.equal(await again(), "/?sign_in=forbidden");
    assert.ok(world.app.accounts.person("lark:cli_1:ou_1"));
  } finally {
    await office.close();
  }
});

Deno.test("codes that nobody gave are asked about at a bounded rate, and those who sign in do not use it up", async () => {
  const office = await startOffice();
  try {
    const lark = { appId: "cli_1", appSecret: "lark-secret", login: office.url, api: office.url };
    await using world = await startWorld({ signIn: { lark } });
    const signIn = async (code: string) => {
      const browser = new Browser();
      const out = new URL((await browser.go(`${world.url}/api/sign-in/lark`)).location!);
      const state = out.searchParams.get("state");
      return (await browser.go(
        `${world.url}/api/sign-in/lark/callback?code=${code}&state=${state}`,
      )).location!;
    };
    for (let n = 0; n < 2 * NETWORK_SIGN_IN_RATE.burst; n++) {
      assert.equal(await signIn("good"), `${world.url}/`);
    }
    const answers = new Map<string, number>();
    for (let n = 0; n < NETWORK_SIGN_IN_RATE.burst + 10; n++) {
      const { search } = new URL(await signIn("wrong"));
      answers.set(search, (answers.get(search) ?? 0) + 1);
    }
    const asked = answers.get("?sign_in=forbidden")!;
    assert.ok(
      asked >= NETWORK_SIGN_IN_RATE.burst && asked <= NETWORK_SIGN_IN_RATE.burst + 5,
      `${asked}`,
    );
    assert.ok(answers.get("?sign_in=limited")! >= 5);
  } finally {
    await office.close();
  }
});

Deno.test("a Feishu sign-in and that app's chat are one account, which keeps the history from before", async () => {
  const office = await startOffice();
  const store = new MemoryStore();
  try {
    const lark = { appId: "cli_1", appSecret: "lark-secret", login: office.url, api: office.url };
    // In this app's chat somebody asked before there were identities.
    await store.set("conv:lark%3Amain%3Aou_1:c1", {
      id: "c1",
      personId: "lark:main:ou_1",
      title: "t",
      createdAt: 1,
    });
    await using world = await startWorld({
      signIn: { lark },
      channels: {
        feishu: {
          main: {
            appId: "cli_1",
            appSecret: "lark-secret",
            mode: "webhook",
            baseUrl: office.url,
            encryptKey: "k",
            verificationToken: "t",
          },
        },
      },
    }, { store });
    const browser = new Browser();
    const state = new URL((await browser.go(`${world.url}/api/sign-in/lark`)).location!)
      .searchParams.get("state");
    await browser.go(`${world.url}/api/sign-in/lark/callback?code=good&state=${state}`);
    const { user } = JSON.parse((await browser.go(`${world.url}/api/me`)).text);
    assert.deepEqual([user.id, user.displayName], ["lark:main:ou_1", "李雷"]);
    const { conversations } = JSON.parse((await browser.go(`${world.url}/api/conversations`)).text);
    assert.deepEqual(conversations.map(({ id }: { id: string }) => id), ["c1"]);
    const identities = await world.app.accounts.identities.of("lark:main:ou_1");
    assert.deepEqual(identities.map(({ kind, scope, value }) => [kind, scope, value]).sort(), [
      ["open_id", "cli_1", "ou_1"],
      ["union_id", "tenant1", "on_1"],
    ]);
  } finally {
    await office.close();
  }
});
