import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { checkOrigin } from './origin.ts';

const origins = ['https://ops.example.org'];

function check(host: string | undefined, origin?: string, loopbackOnly = true, socket: object = {}): string {
  try {
    return checkOrigin({ headers: { host, origin }, socket } as IncomingMessage, { loopbackOnly, origins }) ?? 'accepted';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('while only loopback is bound, only loopback names are answered: a foreign name that resolves here is refused', () => {
  for (const host of ['127.0.0.1:8080', 'localhost', 'localhost:8080', '[::1]:8080', '127.9.9.9', 'LOCALHOST:1', 'bus.localhost:8080']) {
    assert.equal(check(host), 'accepted', host);
  }
  for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1:8080', '', undefined, 'a b']) {
    assert.equal(check(host), 'HYD_REFUSED', String(host));
  }
});

test('bound beyond loopback any name is answered', () => {
  assert.equal(check('bus.example.org:8080', undefined, false), 'accepted');
});

test('a page of this server may use it, a page of any other origin may not', () => {
  assert.equal(check('127.0.0.1:8080', 'http://127.0.0.1:8080'), 'accepted');
  assert.equal(check('localhost:80', 'http://localhost'), 'accepted');
  assert.equal(check('bus.example.org', 'https://bus.example.org', false), 'accepted');
  assert.equal(check('bus.example.org:443', 'https://bus.example.org', false), 'accepted');
  for (const origin of [
    'http://evil.example',
    'http://127.0.0.1:9090',
    'http://localhost:8080',
    'null',
    'file://',
    '',
    'ftp://127.0.0.1:8080',
  ]) {
    assert.equal(check('127.0.0.1:8080', origin), 'HYD_REFUSED', origin);
  }
  assert.equal(check('bus.example.org', 'https://evil.example', false), 'HYD_REFUSED');
});

test('a page whose origin is listed may use it, and is named so that the browser can be told', () => {
  assert.equal(check('127.0.0.1:8080', 'https://ops.example.org'), 'https://ops.example.org');
  assert.equal(check('bus.example.org', 'https://ops.example.org', false), 'https://ops.example.org');
  for (const origin of ['http://ops.example.org', 'https://ops.example.org:8443', 'https://ops.example.org.evil.example']) {
    assert.equal(check('127.0.0.1:8080', origin), 'HYD_REFUSED', origin);
  }
  assert.equal(check('evil.example', 'https://ops.example.org'), 'HYD_REFUSED');
});

test('over TLS a page that came without it is another site', () => {
  const encrypted = Object.create(TLSSocket.prototype) as object;
  assert.equal(check('bus.example.org', 'https://bus.example.org', false, encrypted), 'accepted');
  assert.equal(check('bus.example.org', 'http://bus.example.org', false, encrypted), 'HYD_REFUSED');
});
