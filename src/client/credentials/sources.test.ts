import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CredentialRequest } from '../../bus/mqtt/options.ts';
import { within } from '../../testing/deadline.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { customAuthorizer } from './custom-authorizer.ts';
import { jwt } from './jwt.ts';
import { passwordFile } from './password-file.ts';
import { sas } from './sas.ts';

const request = (refusals = 0): CredentialRequest => ({ url: 'mqtts://h', refusals, signal: new AbortController().signal });
const clock = new FakeClock('2026-11-21T10:00:00Z');

test('a shared access signature is written as Azure IoT Hub documents it, and openssl makes the same of it', async () => {
  const provider = sas({ hub: 'contoso', device: 'a b', key: 'c2VjcmV0IGtleSBvZiBhIGRldmljZQ==', lifeSeconds: 3600 }, { clock });
  const shown = await provider(request());
  assert.equal(shown.username, 'contoso.azure-devices.net/a b/?api-version=2021-04-12');
  // printf 'contoso.azure-devices.net%%2Fdevices%%2Fa%%2520b\n1795258800' | openssl dgst -sha256 -hmac 'secret key of a device' -binary | base64
  assert.equal(
    shown.password,
    'SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fa%2520b&sig=GWxbkNxYuK%2FW2gEjFijfc8uq2cwnItu%2F3VOE3rezqGY%3D&se=1795258800',
  );
  assert.deepEqual([shown.validFromMs, shown.validUntilMs], [clock.now(), clock.now() + 3_600_000]);
  const policy = await sas({ hub: 'h.example.net', device: 'd', key: 'c2VjcmV0', policy: 'device' }, { clock })(request());
  assert.match(String(policy.password), /^SharedAccessSignature sr=h\.example\.net%2Fdevices%2Fd&sig=[^&]+&se=1795258800&skn=device$/);
});

test('a shared access signature that is refused is made for another time; a key that is not base64 is said and not shown', async () => {
  const provider = sas({ hub: 'h', device: 'd', key: 'c2VjcmV0' }, { clock });
  const expiry = async (refusals: number): Promise<number> =>
    Number(/se=(\d+)/.exec(String((await provider(request(refusals))).password))![1]);
  assert.deepEqual([(await expiry(1)) - (await expiry(0)), (await expiry(3)) - (await expiry(0))], [-600, 600]);
  for (const key of ['', 'not base64!', 'c2VjcmV0=', 'abc']) {
    assert.throws(
      () => sas({ hub: 'h', device: 'd', key }),
      (error: Error & { code: string }) => error.code === 'HYD_CREDENTIALS' && error.message === 'the key of the device d is not base64',
    );
  }
  assert.throws(() => sas({ hub: 'h', device: 'd', key: 'c2VjcmV0', lifeSeconds: 100_000 }), { code: 'HYD_USAGE' });
});

test('a password is that of the file, without the line’s end; a new one is noticed, an empty file is not taken', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'password');
  const provider = passwordFile(path, { username: 'ann' });
  await assert.rejects(provider(request()), { code: 'HYD_CREDENTIALS', message: `the password file ${path} does not exist` });
  await writeFile(path, '\n');
  await assert.rejects(provider(request()), { code: 'HYD_CREDENTIALS', message: `the password file ${path} is empty` });
  await writeFile(path, ' two words \r\n');
  assert.deepEqual(await provider(request()), { username: 'ann', password: ' two words ' });
  const replaced = Promise.withResolvers<void>();
  const detach = provider.attach({ log() {}, onReplaced: () => replaced.resolve(), onClockSkew() {} });
  try {
    await writeFile(path, '');
    assert.equal((await provider(request())).password, ' two words ');
    await writeFile(path, 'new');
    await within(replaced.promise, 20_000, 'the new password to be noticed');
    assert.equal((await provider(request())).password, 'new');
  } finally {
    detach();
  }
});

test('a custom authorizer’s name, token and signature stand behind the user name, escaped', async () => {
  const token = { keyName: 'token', value: 'a&b=c', signature: 'A+/=' };
  const shown = await customAuthorizer({ authorizer: 'mine', credentials: { username: 'dev', password: 'pw' }, token })(request());
  assert.deepEqual(shown, {
    username: 'dev?x-amz-customauthorizer-name=mine&x-amz-customauthorizer-signature=A%2B%2F%3D&token=a%26b%3Dc',
    password: 'pw',
  });
  assert.deepEqual(await customAuthorizer({ authorizer: 'mine' })(request()), { username: '?x-amz-customauthorizer-name=mine' });
});

test('a custom authorizer passes on what another source gives, and who is attached to it', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'password');
  await writeFile(path, 'one');
  const provider = customAuthorizer({ authorizer: 'mine', credentials: passwordFile(path, { username: 'ann' }) });
  assert.deepEqual(await provider(request()), { username: 'ann?x-amz-customauthorizer-name=mine', password: 'one' });
  const warned = Promise.withResolvers<void>();
  const detach = provider.attach({ log: () => warned.resolve(), onReplaced() {}, onClockSkew() {} });
  try {
    await writeFile(path, '');
    assert.equal((await provider(request())).password, 'one');
    await within(warned.promise, 20_000, 'the warning');
  } finally {
    detach();
  }
});

test('an option that there is not, or that is missing, is named', () => {
  for (const [make, message, fix] of [
    [() => jwt({ key: 'x', lifeSecond: 60 } as never), 'jwt() has no option lifeSecond', 'Did you mean lifeSeconds?'],
    [() => jwt({} as never), 'jwt() needs key', /^Options are key, passphrase, /],
    [() => sas({ hub: 'h', device: 'd' } as never), 'sas() needs key', /./],
    [() => sas({ hub: 'h', device: 'd', key: 'c2VjcmV0', live: 9 } as never), 'sas() has no option live', /./],
    [() => passwordFile('x', {} as never), 'passwordFile() needs username', /./],
    [() => customAuthorizer({ authoriser: 'x' } as never), 'customAuthorizer() has no option authoriser', 'Did you mean authorizer?'],
  ] as const) {
    assert.throws(make, { code: 'HYD_USAGE', message, fix });
  }
});
