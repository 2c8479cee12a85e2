import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Envelope, openFile } from "../../../src/channels/im/envelope.ts";
import { decrypt, signed } from "../../../src/channels/lark/crypto.ts";
import { robotForged, robotSign } from "../../../src/channels/dingtalk/crypto.ts";
import vectors from "../../vectors/im_crypto.json" with { type: "json" };

const bytes = (text: string) => new TextEncoder().encode(text);

for (const vector of vectors.feishu.encrypt) {
  Deno.test(`feishu: the known answer "${vector.name}" is opened`, () => {
    assert.equal(decrypt(vectors.feishu.encryptKey, vector.encrypt), vector.plaintext);
  });
}

Deno.test("feishu: the example in the vendor's documentation is opened", () => {
  const { encryptKey, encrypt, plaintext } = vectors.published.feishu_decrypt;
  assert.equal(decrypt(encryptKey, encrypt), plaintext);
});

/** The first version of card callbacks has another scheme, which the gateway does not read. */
const SIGNED = vectors.feishu.signature.filter((vector) => !vector.scheme?.includes("SHA-1"));

for (const vector of SIGNED) {
  Deno.test(`feishu: the signature of "${vector.name}" holds on the raw bytes and on no others`, () => {
    const headers = new Headers(vector.headers);
    const check = (body: string) => signed(vectors.feishu.encryptKey, headers, bytes(body));
    assert.equal(check(vector.raw_body), true);
    assert.equal(check(vector.raw_body + " "), false);
  });
}

Deno.test("feishu: a ciphertext that is cut, tampered with or of another key opens to nothing", () => {
  const { encryptKey, encrypt } = vectors.published.feishu_decrypt;
  const sealed = Buffer.from(encrypt, "base64");
  const last = Buffer.from(sealed);
  last[last.length - 1]! ^= 1;
  for (const bad of [sealed.subarray(0, 20), sealed.subarray(0, 16), last, Buffer.alloc(0)]) {
    assert.equal(decrypt(encryptKey, bad.toString("base64")), undefined);
  }
  assert.equal(decrypt("another key", encrypt), undefined);
  assert.equal(decrypt(encryptKey, "no base64 at all!"), undefined);
});

const envelopes = [
  ...vectors.wecom.cases.map((vector) => ({
    keys: {
      token: vectors.wecom.token,
      aesKey: vectors.wecom.encodingAESKey,
      receiver: vector.receiveid,
    },
    ...vector,
    name: `wecom: ${vector.name}`,
    signature: vector.msg_signature,
  })),
  ...vectors.dingtalk.event_callback.cases.map((vector) => ({
    ...vector,
    name: `dingtalk: ${vector.name}`,
    keys: {
      token: vectors.dingtalk.event_callback.token,
      aesKey: vectors.dingtalk.event_callback.aes_key,
      receiver: vectors.dingtalk.event_callback.owner_key,
    },
  })),
];

for (const vector of envelopes) {
  const envelope = new Envelope(vector.keys);
  Deno.test(`${vector.name}: opened, signed and sealed as the vendor does`, () => {
    assert.deepEqual(
      envelope.open(vector.signature, vector.timestamp, vector.nonce, vector.encrypt),
      {
        message: vector.plaintext,
      },
    );
    assert.equal(envelope.encrypt(vector.plaintext, bytes(vector.random_ascii)), vector.encrypt);
    assert.equal(envelope.sign(vector.timestamp, vector.nonce, vector.encrypt), vector.signature);
  });
}

for (
  const [name, vector] of Object.entries({
    dingtalk_success: vectors.published.dingtalk_success,
    dingtalk_check_create_suite_url: vectors.published.dingtalk_check_create_suite_url,
    wecom_text_hello: {
      ...vectors.published.wecom_text_hello,
      owner_key: vectors.published.wecom_text_hello.receiveid,
      signature: vectors.published.wecom_text_hello.msg_signature,
    },
  })
) {
  Deno.test(`published: ${name} is opened`, () => {
    const envelope = new Envelope({
      token: vector.token,
      aesKey: vector.aes_key,
      receiver: vector.owner_key,
    });
    assert.deepEqual(
      envelope.open(vector.signature, vector.timestamp, vector.nonce, vector.encrypt),
      {
        message: vector.plaintext,
      },
    );
  });
}

Deno.test("an envelope that is forged, tampered with, cut, or for somebody else is told apart and never throws", () => {
  const vector = vectors.wecom.cases[0]!;
  const keys = {
    token: vectors.wecom.token,
    aesKey: vectors.wecom.encodingAESKey,
    receiver: vector.receiveid,
  };
  const envelope = new Envelope(keys);
  assert.deepEqual(envelope.open("0".repeat(40), vector.timestamp, vector.nonce, vector.encrypt), {
    forged: "signature",
  });
  assert.deepEqual(envelope.open("", "", "", ""), { forged: "signature" });
  const sealed = Buffer.from(vector.encrypt, "base64");
  const tampered = Buffer.from(sealed);
  tampered[tampered.length - 20]! ^= 0x80;
  const opened = envelope.decrypt(tampered.toString("base64"));
  assert.ok("forged" in opened, "a tampered block before the last");
  const last = Buffer.from(sealed);
  last[last.length - 1]! ^= 0x55;
  assert.ok("forged" in envelope.decrypt(last.toString("base64")), "a tampered last block");
  assert.deepEqual(envelope.decrypt(sealed.subarray(0, 17).toString("base64")), {
    forged: "ciphertext",
  });
  assert.deepEqual(envelope.decrypt("AAAA"), { forged: "ciphertext" });
  assert.deepEqual(
    new Envelope({ ...keys, receiver: "ww_somebody_else" }).decrypt(vector.encrypt),
    {
      forged: "receiver",
    },
  );
  assert.throws(() => new Envelope({ ...keys, aesKey: "short" }), /43/);
});

Deno.test("an AI bot's media file is opened, a tampered one is not", () => {
  const { aeskey_base64, encrypted_base64, plaintext_base64 } = vectors.wecom.media_file;
  const sealed = Buffer.from(encrypted_base64, "base64");
  assert.equal(Buffer.from(openFile(sealed, aeskey_base64)!).toString("base64"), plaintext_base64);
  sealed[sealed.length - 1]! ^= 1;
  assert.equal(openFile(sealed, aeskey_base64), undefined);
});

Deno.test("dingtalk: a robot callback's signature is the known one, and holds for an hour", () => {
  for (const { appSecret, timestamp, sign } of vectors.dingtalk.robot_http_sign.cases) {
    assert.equal(robotSign(appSecret, timestamp), sign);
    const headers = new Headers({ timestamp, sign });
    assert.equal(robotForged(appSecret, headers, Number(timestamp) + 3_600_000), undefined);
    assert.equal(robotForged(appSecret, headers, Number(timestamp) + 3_600_001), "stale");
    assert.equal(robotForged("another secret", headers, Number(timestamp)), "signature");
    assert.equal(robotForged(appSecret, new Headers(), 0), "signature");
  }
  const { secret, timestamp, sign_urlencoded } = vectors.dingtalk.custom_robot_sign;
  assert.equal(encodeURIComponent(robotSign(secret, timestamp)), sign_urlencoded);
  const doc = vectors.dingtalk.robot_http_sign.doc_sample_inputs;
  assert.equal(robotSign(doc.appSecret, doc.timestamp), doc.sign);
});
