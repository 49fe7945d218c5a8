/** A configuration as the outbox keeps it: a line of JSON, then the payload. */
export interface KeptConfig {
  payload: Uint8Array;
  version: string | undefined;
}

export function encodeNote({ payload, version }: KeptConfig): Uint8Array {
  return Buffer.concat([Buffer.from(`${JSON.stringify({ version })}\n`), payload]);
}

export function decodeNote(note: Uint8Array): KeptConfig {
  const bytes = Buffer.from(note);
  const end = bytes.indexOf('\n');
  const { version } = JSON.parse(bytes.toString('utf8', 0, end)) as { version?: string };
  return { payload: bytes.subarray(end + 1), version };
}
