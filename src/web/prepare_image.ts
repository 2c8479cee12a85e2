/**
 * Prepares an image for sending: it is decoded, shrunk to the size that vision models read, and
 * encoded as a data URL. Other formats become JPEG or PNG.
 */

/** Images in one message. */
export const MAX_IMAGES = 8;

/** The longer edge, in pixels: what vision models look at. */
const MAX_EDGE_PX = 2048;

/** Bytes that go as they are when the edges are small enough. */
const UNCHANGED_BELOW_BYTES = 1_500_000;

/** Bytes of one image after shrinking, at most; eight of them stay below the gateway's 20 MiB. */
const MAX_BYTES = 1_800_000;

/** The picture as a data URL, or why not. */
export async function prepareImage(file: Blob): Promise<string | "not an image" | "too large"> {
  if (!file.type.startsWith("image/") || file.type === "image/svg+xml") return "not an image";
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return "not an image";
  }
  try {
    const scale = Math.min(1, MAX_EDGE_PX / Math.max(bitmap.width, bitmap.height));
    const sendable = /^image\/(?:png|jpeg|webp|gif)$/.test(file.type);
    if (sendable && file.size <= UNCHANGED_BELOW_BYTES && scale === 1) return await toDataUrl(file);
    // A moving picture would lose its movement.
    if (file.type === "image/gif" && file.size <= MAX_BYTES) return await toDataUrl(file);
    const canvas = document.createElement("canvas");
    for (let shrink = scale; shrink > 0.05; shrink *= 0.7) {
      canvas.width = Math.max(1, Math.round(bitmap.width * shrink));
      canvas.height = Math.max(1, Math.round(bitmap.height * shrink));
      const context = canvas.getContext("2d")!;
      if (file.type === "image/png" && canvas.width * canvas.height < 1_000_000) {
        context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
        const png = await encode(canvas, "image/png");
        if (png && png.size <= MAX_BYTES) return await toDataUrl(png);
      }
      // What is see-through would become black in a JPEG.
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      const jpeg = await encode(canvas, "image/jpeg");
      if (jpeg && jpeg.size <= MAX_BYTES) return await toDataUrl(jpeg);
    }
    return "too large";
  } finally {
    bitmap.close();
  }
}

function encode(canvas: HTMLCanvasElement, type: string): Promise<Blob | null> {
  return new Promise((resolve) => canvas.toBlob(resolve, type, 0.86));
}

function toDataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
