/** DingTalk's error bodies. */

export function fail(status: number, code: string, message: string): Response {
  return Response.json({ code, message, requestid: "emulated" }, { status });
}
