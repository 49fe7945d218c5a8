import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressGroup } from './address-group.ts';

test('an IPv4 address is a peer by itself, an IPv6 address with all of its /64, however it is written', () => {
  assert.equal(addressGroup('192.0.2.7'), '192.0.2.7');
  for (const address of ['2001:db8:0:1::1', '2001:0db8:0000:0001:ffff:ffff:ffff:ffff', '2001:db8::1:0:0:0:9', '2001:DB8:0:1:1:2:3:4%eth0'])
    assert.equal(addressGroup(address), '2001:db8:0:1::/64', address);
  assert.equal(addressGroup('::1'), '0:0:0:0::/64');
  assert.equal(addressGroup('2001:db8::'), '2001:db8:0:0::/64');
  assert.notEqual(addressGroup('2001:db8:0:2::1'), addressGroup('2001:db8:0:1::1'));
});

test('what is no address stands for itself', () => {
  assert.equal(addressGroup('unknown'), 'unknown');
});
