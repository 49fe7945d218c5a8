import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUrl } from './dial.ts';
import { tlsFix } from './tls-fix.ts';

test('a URL that other clients take is refused with the one that is meant', () => {
  for (const [url, meant] of [
    ['localhost:1883', 'mqtt://localhost:1883'],
    ['192.0.2.7', 'mqtt://192.0.2.7'],
    ['tcp://bus.example.org:1883', 'mqtt://bus.example.org:1883'],
    ['ssl://bus.example.org:8883/', 'mqtts://bus.example.org:8883/'],
    ['TLS://[2001:db8::1]:8883', 'mqtts://[2001:db8::1]:8883'],
  ] as const) {
    assert.throws(() => parseUrl(url), {
      code: 'HYD_USAGE',
      message: `"${url}" is no MQTT URL`,
      fix: new RegExp(`^Did you mean ${meant.replace(/[.[\]]/g, '\\$&')}\\? Use `),
    });
    assert.equal(parseUrl(meant).hostname.length > 0, true);
  }
  for (const url of ['http://127.0.0.1', '', 'mqtt://', 'localhost:99999', 'a b'])
    assert.throws(() => parseUrl(url), { code: 'HYD_USAGE', fix: /^Use mqtt:/ });
});

test('what to do about a certificate is said for commands and for programs', () => {
  const fixOf = (code: string) => tlsFix(Object.assign(new Error('x'), { code }));
  assert.match(fixOf('UNABLE_TO_VERIFY_LEAF_SIGNATURE')!, /--cafile FILE, or `tls: \{ ca \}`/);
  assert.match(fixOf('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')!, /--cert FILE .* or `tls: \{ cert, key \}`/);
  assert.match(fixOf('ERR_OSSL_X509_KEY_VALUES_MISMATCH')!, /belongs to the certificate/);
});
