/** Why a complete answer stopped: the model was done, reached a length, or a filter cut it. */
export type FinishReason = "stop" | "length" | "content_filter";
