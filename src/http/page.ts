import { readFile } from 'node:fs/promises';

export interface PageFile {
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

const FILES = [
  { path: '/', name: 'live.html', type: 'text/html; charset=utf-8' },
  { path: '/live.js', name: 'live.js', type: 'text/javascript; charset=utf-8' },
  { path: '/live.css', name: 'live.css', type: 'text/css; charset=utf-8' },
] as const;

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The live view, read once and served from memory. The policy lets the page load from and talk to this server only. */
export async function loadPage(): Promise<PageFile[]> {
  return Promise.all(
    FILES.map(async ({ path, name, type }) => ({
      path,
      headers: { 'content-type': type, 'cache-control': 'no-cache', 'content-security-policy': POLICY, 'referrer-policy': 'no-referrer' },
      body: await readFile(new URL(`./page/${name}`, import.meta.url)),
    })),
  );
}
