import { describe, expect, test } from 'vitest';
import { isNetwork, limitKey, Proxies } from './client-address.ts';

describe('where a request came from', () => {
  test.each([
    ['no proxy was named', [], '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['the proxy says so', ['127.0.0.1'], '127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['as IPv6 tells IPv4', ['127.0.0.1'], '::ffff:127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['somebody else says so', ['127.0.0.1'], '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    [
      'what the client made up stands further left',
      ['127.0.0.1'],
      '127.0.0.1',
      '1.1.1.1, 198.51.100.1',
      '198.51.100.1',
    ],
    [
      'through two proxies',
      ['127.0.0.1', '10.0.0.0/8'],
      '127.0.0.1',
      '198.51.100.1, 10.2.3.4',
      '198.51.100.1',
    ],
    ['the proxy says nothing', ['127.0.0.1'], '127.0.0.1', undefined, '127.0.0.1'],
    ['or no address', ['127.0.0.1'], '127.0.0.1', 'unknown', '127.0.0.1'],
    ['over IPv6', ['fd00::/8'], 'fd00::1', '2001:db8::7', '2001:db8::7'],
  ])('%s', (_why, trusted, peer, forwarded, client) => {
    expect(new Proxies(trusted).client(peer, forwarded)).toBe(client);
  });

  test.each([
    ['198.51.100.1', '198.51.100.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'],
    ['2001:0DB8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('limits count %s as %s', (address, key) => {
    expect(limitKey(address)).toBe(key);
  });

  test.each([
    ['127.0.0.1', true],
    ['10.0.0.0/8', true],
    ['fd00::/8', true],
    ['10.0.0.0/33', false],
    ['10.0.0.0/', false],
    ['proxy.example.org', false],
    ['10.0.0.0/8/8', false],
  ])('%s is a network: %s', (text, is) => {
    expect(isNetwork(text)).toBe(is);
  });
});
