import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RateLimit } from './limits.ts';
import { Origins } from './origins.ts';
import { pagePolicy } from './policy.ts';
import { loadSecret } from './session.ts';

describe('which pages may ask', () => {
  const local = new Origins({ address: '127.0.0.1', port: 7080, publicUrls: [] });
  const open = new Origins({ address: '0.0.0.0', port: 7080, publicUrls: ['https://learn.example.org'] });

  test.each(['localhost:7080', '127.0.0.1:7080', '[::1]:7080', 'LOCALHOST:7080', `${hostname()}:7080`])(
    'Host %s is this server',
    (host) => {
      expect(local.isOurHost(host)).toBe(true);
      expect(local.isOurPage(`http://${host.toLowerCase()}`, host)).toBe(true);
    },
  );

  test.each([
    undefined,
    '',
    'localhost',
    'localhost:7081',
    'evil.example:7080',
    'localhost.evil.example:7080',
    '192.168.1.9:7080',
    'localhost:7080@evil.example',
  ])('Host %s is not', (host) => {
    expect(local.isOurHost(host)).toBe(false);
  });

  test.each([
    undefined,
    'null',
    '',
    'http://evil.example',
    'https://localhost:7080',
    'http://localhost:7081',
    'http://127.0.0.1:7080',
  ])('a page with Origin %s may not ask localhost:7080', (origin) => {
    expect(local.isOurPage(origin, 'localhost:7080')).toBe(false);
  });

  test('where every address is listened on, any address is ours but no foreign name', () => {
    expect(open.isOurHost('192.168.1.9:7080')).toBe(true);
    expect(open.isOurHost('[fe80::1]:7080')).toBe(true);
    expect(open.isOurHost('rebound.evil.example:7080')).toBe(false);
  });

  test('a public address counts with its own origin only, and makes cookies secure', () => {
    expect(open.isOurPage('https://learn.example.org', 'learn.example.org')).toBe(true);
    expect(open.isOurPage('https://learn.example.org', 'localhost:7080')).toBe(false);
    expect(open.isSecure('learn.example.org')).toBe(true);
    expect(open.isSecure('localhost:7080')).toBe(false);
  });
});

describe('how often an address may ask', () => {
  test('a burst, then as fast as the bucket fills, each address for itself', () => {
    let now = 0;
    const limit = new RateLimit({ burst: 3, perSecond: 2 }, () => now);
    expect([1, 2, 3].map(() => limit.take('a'))).toEqual([0, 0, 0]);
    expect(limit.take('a')).toBe(1);
    expect(limit.take('b')).toBe(0);
    now = 500;
    expect(limit.take('a')).toBe(0);
    expect(limit.take('a')).toBe(1);
  });
});

describe('the policy of a page', () => {
  test('allows the inline scripts that were built into it, by hash, and no others', () => {
    const policy = pagePolicy('<script src="/a.js"></script><script>go()</script><p onclick="x()">');
    // printf 'go()' | openssl dgst -sha256 -binary | base64
    expect(policy).toContain("script-src 'self' 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='");
    expect(policy).not.toContain("script-src 'self' 'unsafe-inline'");
    expect(pagePolicy('<p>')).toContain("script-src 'self';");
  });
});

describe('the secret that signs cookies', () => {
  test("is made once, is nobody else's to read, and is refused when damaged", () => {
    const state = mkdtempSync(join(tmpdir(), 'bh-'));
    const secret = loadSecret(state);
    expect(secret).toHaveLength(32);
    expect(statSync(join(state, 'secret')).mode & 0o777).toBe(0o600);
    expect(loadSecret(state)).toEqual(secret);
    expect(readFileSync(join(state, 'secret'))).toEqual(secret);
    writeFileSync(join(state, 'secret'), 'short');
    expect(() => loadSecret(state)).toThrow(/damaged/);
    for (const known of [
      '\0'.repeat(32),
      'change-me-change-me-change-me-32',
      'CorrectHorseBatteryStaple1234567',
    ]) {
      writeFileSync(join(state, 'secret'), known);
      expect(() => loadSecret(state)).toThrow(/not made by chance/);
    }
    writeFileSync(join(state, 'secret'), secret);
    chmodSync(join(state, 'secret'), 0o644);
    expect(() => loadSecret(state)).toThrow(/read by others/);
    rmSync(state, { recursive: true });
  });
});
