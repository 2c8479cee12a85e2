/** A file that an emulated platform stores for a message. */
export interface MediaFile {
  readonly type: string;
  readonly name?: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}
