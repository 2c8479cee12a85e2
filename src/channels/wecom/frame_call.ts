/** Calls over a WeCom AI bot's long connection: frames, each acknowledged by one with its id. */
import type { Json } from "../../core/store.ts";
import type { CallVerdict, PacedCall, PacedCaller } from "../im/paced_caller.ts";

export interface FrameCall extends PacedCall {
  readonly cmd: string;
  /** The id of the request that the frame answers; a new one unless set. */
  readonly requestId?: string;
  /** Called once the permit is there, so that the text is the newest. */
  readonly body: () => Json;
  readonly judge: (ack: Json) => CallVerdict;
}

export type FrameCaller = PacedCaller<FrameCall>;
