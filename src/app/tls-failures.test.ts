import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureReason, TlsFailures } from './tls-failures.ts';

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
  for (let i = 0; i < 1000; i++) failures.note('mqtts', 'not-tls', { remote: '192.0.2.1', error: 'http request' });
  failures.note('https', 'not-tls', { remote: '192.0.2.2', error: 'http request' });
  clock.nowMs = 59_999;
  failures.note('mqtts', 'not-tls', { remote: '192.0.2.3', error: 'http request' });
  clock.nowMs = 60_000;
  failures.note('mqtts', 'not-tls', { remote: '192.0.2.4', error: 'http request' });
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
  for (const [code, reason] of [
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'refused-by-client'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'refused-by-client'],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'old-version'],
    ['ERR_SSL_NO_SHARED_CIPHER', 'no-shared-cipher'],
    ['ERR_TLS_HANDSHAKE_TIMEOUT', 'timeout'],
    ['ECONNRESET', 'cut'],
    ['ERR_SSL_SOMETHING_NEW', 'other'],
  ] as const) {
    assert.equal(failureReason(Object.assign(new Error(code), { code })), reason);
  }
});
