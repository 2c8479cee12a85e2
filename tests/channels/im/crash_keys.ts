/** The made-up keys that the crash tests' two processes share. */
export const FEISHU = {
  appId: "cli_0123456789abcdef",
  appSecret: "secret",
  encryptKey: "key",
  verificationToken: "token",
};
export const DING = { clientId: "dingkey", clientSecret: "secret" };
export const WECOM = {
  corpId: "ww01",
  agentId: 1000002,
  secret: "secret",
  botId: "bot1",
  token: "token",
  encodingAesKey: "BRAbJjE8R1JdaHN+iZSfqrXAy9bh7PcCDRgjLjlET1o",
};
