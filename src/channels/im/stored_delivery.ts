/** Reads deliveries from the outbox, also those that a version before 2026-12 stored. */
import type { Json } from "../../core/store.ts";
import type { Delivery, DeliveryProgress } from "./delivery.ts";

export function readDelivery(entry: Json): Delivery {
  return entry.progress === undefined ? upgraded(entry) : entry;
}

/** That version held every state in optional fields beside each other. */
function upgraded(entry: Json): Delivery {
  const { incoming, at, tries, language, opened, shown, prefix, calls, notes } = entry;
  const { turnId, personId, way, waiting } = entry;
  return {
    incoming,
    at,
    purpose: entry.push
      ? { kind: "push", ...entry.push }
      : { kind: entry.notice ? "notice" : "answer" },
    tries,
    language,
    ...(turnId && personId ? { turn: { id: turnId, personId } } : {}),
    method: way,
    progress: progressOf(entry),
    opened,
    shown,
    prefix,
    ...(waiting ? { working: { method: waiting.way, message: waiting.json } } : {}),
    notes,
    calls,
  };
}

function progressOf({ final, piece, opening, place, half }: Json): DeliveryProgress {
  if (final) {
    const parts = final.parts.map(({ text, way, place, id }: Json) => ({
      text,
      method: way,
      message: place,
      id,
    }));
    return { ...final, phase: "final", parts, checkpoint: half };
  }
  if (piece) return { phase: "piece", ...piece };
  if (opening) return { phase: "opening", checkpoint: half };
  return place ? { phase: "live", message: place.json, since: place.at } : { phase: "idle" };
}
