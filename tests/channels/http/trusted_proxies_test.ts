import assert from "node:assert/strict";
import { TrustedProxies } from "../../../src/channels/http/trusted_proxies.ts";

function request(headers: Record<string, string>): Request {
  return new Request("http://gateway/", { headers });
}

Deno.test("what a stranger writes into X-Forwarded-For is not believed", () => {
  const proxies = new TrustedProxies(["10.0.0.0/8", "::1", "192.0.2.7"]);
  const cases: [peer: string, forwarded: string | undefined, address: string][] = [
    ["203.0.113.5", "1.2.3.4", "203.0.113.5"],
    ["10.0.0.1", undefined, "10.0.0.1"],
    ["10.0.0.1", "1.2.3.4", "1.2.3.4"],
    ["10.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4"],
    ["10.0.0.1", "9.9.9.9, 1.2.3.4, 10.2.3.4, 192.0.2.7", "1.2.3.4"],
    ["::ffff:10.0.0.1", "1.2.3.4:5678", "1.2.3.4"],
    ["::1", "[2001:db8::1]:443", "2001:db8::1"],
    ["10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"],
    ["10.0.0.1", "not an address", "10.0.0.1"],
    ["10.0.0.1", "10.0.0.2", "10.0.0.1"],
    ["unknown", "1.2.3.4", "unknown"],
  ];
  for (const [peer, forwarded, address] of cases) {
    const headers: Record<string, string> = forwarded === undefined
      ? {}
      : { "x-forwarded-for": forwarded };
    assert.equal(
      proxies.connection(request(headers), peer).address,
      address,
      `${peer} ${forwarded}`,
    );
  }
});

Deno.test("that TLS is in front is believed of a trusted proxy only", () => {
  const proxies = new TrustedProxies(["127.0.0.1"]);
  assert.equal(
    proxies.connection(request({ "x-forwarded-proto": "https" }), "127.0.0.1").secure,
    true,
  );
  assert.equal(
    proxies.connection(request({ "x-forwarded-proto": "https, http" }), "127.0.0.1").secure,
    false,
  );
  assert.equal(
    proxies.connection(request({ "x-forwarded-proto": "https" }), "127.0.0.2").secure,
    false,
  );
});

Deno.test("what is neither an address nor a range is refused", () => {
  for (const wrong of ["", "localhost", "10.0.0.0/33", "::1/129", "10.0.0.0/x", "300.1.1.1"]) {
    assert.throws(() => new TrustedProxies([wrong]), RangeError, wrong);
  }
});
