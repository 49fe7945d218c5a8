import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TlsFailures } from './tls-failures.ts';

const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** Failures under a clock that the test moves, and what they log. */
function watch() {
  const clock = { nowMs: 0 };
  const lines: Record<string, unknown>[] = [];
  const failures = new TlsFailures(
    (_level, _message, fields) => void lines.push(fields!),
    () => clock.nowMs,
  );
  return { clock, lines, failures };
}

test('each reason of a listener is told once a minute, with how often it was since', () => {
  const { clock, lines, failures } = watch();
  for (let i = 0; i < 1000; i++) failures.note('mqtts', failure('ERR_SSL_HTTP_REQUEST'), { remote: '192.0.2.1' });
  failures.note('https', failure('ERR_SSL_HTTP_REQUEST'), { remote: '192.0.2.2' });
  clock.nowMs = 59_999;
  failures.note('mqtts', failure('ERR_SSL_HTTP_REQUEST'), { remote: '192.0.2.3' });
  clock.nowMs = 60_000;
  failures.note('mqtts', failure('ERR_SSL_HTTP_REQUEST'), { remote: '192.0.2.4' });
  assert.deepEqual(
    lines.map(({ listener, reason, remote, times }) => [listener, reason, remote, times]),
    [
      ['mqtts', 'not-tls', '192.0.2.1', 1],
      ['https', 'not-tls', '192.0.2.2', 1],
      ['mqtts', 'not-tls', '192.0.2.4', 1001],
    ],
  );
  assert.deepEqual(failures.counts, { 'not-tls': 1003 });
});

test('reasons are few and stable, whatever OpenSSL says', () => {
  const { failures, lines } = watch();
  for (const code of [
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
    'ERR_SSL_UNSUPPORTED_PROTOCOL',
    'ERR_TLS_HANDSHAKE_TIMEOUT',
    'ERR_SSL_SOMETHING_NEW',
    'ECONNRESET',
  ]) {
    failures.note('mqtts', failure(code), {});
  }
  failures.note('mqtts', failure('ECONNRESET'), { verifyError: 'CERT_HAS_EXPIRED' });
  assert.deepEqual(failures.counts, { 'refused-by-client': 2, 'old-version': 1, timeout: 1, other: 1, cut: 1, 'bad-certificate': 1 });
  assert.equal(lines.at(-1)!.error, 'CERT_HAS_EXPIRED');
});
