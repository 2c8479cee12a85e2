import assert from "node:assert/strict";
import { Hosts } from "../../../src/channels/im/hosts.ts";

Deno.test("an address is the platform's own only over TLS at its hosts, or at an origin of the configuration", () => {
  const hosts = new Hosts({
    base: ["https://api.dingtalk.com", "http://127.0.0.1:8000"],
    platform: ["oapi.dingtalk.com", ".aliyuncs.com"],
    further: [".ding.corp.example", "im.example", "http://10.0.0.7:8080"],
  });
  const own = [
    "https://oapi.dingtalk.com/robot/sendBySession?session=1",
    "https://api.dingtalk.com/x",
    "https://zjk-robot.oss-cn-zhangjiakou.aliyuncs.com/x",
    "http://127.0.0.1:8000/files/1",
    "ws://127.0.0.1:8000/connect",
    "https://a.ding.corp.example/",
    "wss://im.example/",
    "http://10.0.0.7:8080/",
  ];
  const strange = [
    "http://oapi.dingtalk.com/robot/sendBySession",
    "https://oapi.dingtalk.com:8443/",
    "https://oapi.dingtalk.com@evil.example/",
    "https://user:pass@oapi.dingtalk.com/",
    "https://oapi.dingtalk.com.evil.example/",
    "https://evilaliyuncs.com/",
    "https://oss-cn-hangzhou-internal.aliyuncs.com/",
    "https://vpc100-oss-cn-hangzhou.aliyuncs.com/",
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:8001/",
    "https://127.0.0.1:8000/",
    "http://10.0.0.7/",
    "file:///etc/passwd",
    "gopher://oapi.dingtalk.com/",
    "",
    "not an address",
    undefined,
    7,
  ];
  for (const address of own) assert.equal(hosts.has(address), true, address);
  for (const address of strange) assert.equal(hosts.has(address), false, String(address));
});
