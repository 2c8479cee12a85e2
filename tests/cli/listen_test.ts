import assert from "node:assert/strict";
import { connect } from "node:tls";
import { Listener } from "../../src/cli/listen.ts";
import { lacks } from "../needs.ts";

async function makeCertificate(dir: string, name: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
    ]
      .concat(["-keyout", `${dir}/key.pem`, "-out", `${dir}/cert.pem`]),
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** The name in the certificate that a new connection is shown. */
function shown(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      resolve(String(subject.CN));
    });
    socket.on("error", reject);
  });
}

Deno.test({
  name: "a new certificate is taken over while the port stays open, and a broken one is not",
  ignore: await lacks("openssl"),
  async fn() {
    const dir = await Deno.makeTempDir();
    await makeCertificate(dir, "first");
    const notices: string[] = [];
    let wake = () => {};
    const next = () => new Promise<void>((resolve) => wake = resolve);
    const listener = await Listener.open({
      dir,
      config: { host: "127.0.0.1", port: 0, tls: { cert: "cert.pem", key: "key.pem" } },
      answer: () => new Response("well"),
      onNotice: (what) => {
        notices.push(what);
        wake();
      },
      onFault: (error) => notices.push(String(error)),
      trusts: () => false,
      silence: () => 1000,
      every: 20,
    });
    try {
      const { port } = listener.address;
      assert.equal(await shown(port), "first");
      let heard = next();
      await Deno.writeTextFile(`${dir}/cert.pem`, "no certificate");
      await heard;
      assert.match(notices.at(-1)!, /the old one goes on/);
      assert.equal(await shown(port), "first");
      // The two files change one after the other; the pair counts once it fits.
      heard = next();
      await makeCertificate(dir, "second");
      while (notices.at(-1) !== "TLS: the new certificate is in use") {
        await heard;
        heard = next();
      }
      assert.equal(await shown(port), "second");
    } finally {
      await listener.shutdown();
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("a port that the process before cannot share is asked for, and opened as soon as it is free", async () => {
  const before = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = before.addr;
  const parts = {
    dir: ".",
    config: { host: "127.0.0.1", port },
    answer: () => new Response("well"),
    onNotice: () => {},
    onFault: () => {},
    trusts: () => false,
    silence: () => 1000,
  };
  await assert.rejects(Listener.open(parts), Deno.errors.AddrInUse);
  let asked = 0;
  const onTaken = () => {
    if (++asked === 3) before.close();
  };
  const listener = await Listener.open({ ...parts, follows: true, onTaken });
  assert.equal(asked, 3);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "well");
  await assert.rejects(
    Listener.open(parts),
    Deno.errors.AddrInUse,
    "a third one takes no half of the connections",
  );
  await listener.shutdown();
});
