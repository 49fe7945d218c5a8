import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Child } from '../../src/testing/child.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const FLAGS = [
  '--headless=new',
  // The tests may run as root, who gets no sandbox.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
];

/**
 * Opens a page in Debian's Chromium, without a window and with a profile of its own; ended when disposed.
 * @param certificate path of a server certificate to trust besides those of public authorities
 */
export async function openPage(url: string, certificate?: string): Promise<AsyncDisposable> {
  const profile = await createTempFolder('hydrant-chromium');
  const trust = certificate === undefined ? [] : [`--ignore-certificate-errors-spki-list=${await keyHash(certificate)}`];
  const child = new Child('chromium', [...FLAGS, `--user-data-dir=${profile.path}`, ...trust, url], { env: { HOME: profile.path } });
  return {
    async [Symbol.asyncDispose]() {
      await child.kill('SIGTERM').catch(() => child.kill());
      await profile[Symbol.asyncDispose]();
    },
  };
}

async function keyHash(certificate: string): Promise<string> {
  const { publicKey } = new X509Certificate(await readFile(certificate));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}
