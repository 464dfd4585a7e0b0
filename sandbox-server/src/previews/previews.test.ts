import { describe, expect, test } from 'vitest';
import { Origins } from '../http/origins.ts';
import { PreviewKeys } from './keys.ts';
import { PreviewNames } from './names.ts';

const target = { sandbox: 'a'.repeat(20), machine: 'box-2', port: 8000 };
const sandboxes = [{ id: 'b'.repeat(20) }, { id: target.sandbox }];

describe('keys', () => {
  const clock = { now: 1_000 };
  const keys = new PreviewKeys(Buffer.alloc(32, 7), () => clock.now);
  const label = keys.label(target);

  test('a label names one port of one machine, and nothing about its sandbox', () => {
    expect(label).toMatch(/^8000-[a-z2-7]{24}-box-2$/);
    expect(label.length).toBeLessThanOrEqual(63);
    expect(keys.target(label, sandboxes)).toEqual(target);
    expect(new PreviewKeys(Buffer.alloc(32, 8)).label(target)).not.toBe(label);
    for (const other of [
      label.replace('8000', '08000'),
      label.replace('8000', '65536'),
      `${label}.`,
      'x',
      '',
    ]) {
      expect(keys.target(other, sandboxes)).toBeNull();
    }
    expect(keys.target(label, [])).toBeNull();
  });

  test('a ticket is good once, for a minute', () => {
    const { ticket, expiresAt } = keys.ticket(label);
    expect(expiresAt).toBe(61_000);
    expect(keys.redeem(ticket)).toBe(label);
    expect(keys.redeem(ticket)).toBeNull();
    const late = keys.ticket(label).ticket;
    clock.now += 60_001;
    expect(keys.redeem(late)).toBeNull();
  });

  test('a pass is good for its label, for half a day, and is no ticket', () => {
    const { pass, maxAgeSeconds } = keys.pass(label);
    expect(keys.admits(pass)).toBe(label);
    expect(keys.redeem(pass)).toBeNull();
    expect(keys.admits(keys.ticket(label).ticket)).toBeNull();
    for (const forged of [pass.slice(1), `${pass}a`, pass.replace('8000', '8001'), '~~', '']) {
      expect(keys.admits(forged)).toBeNull();
    }
    clock.now += maxAgeSeconds * 1_000 + 1;
    expect(keys.admits(pass)).toBeNull();
  });
});

describe('names', () => {
  const names = (previewUrl = '', address = '0.0.0.0') => {
    const origins = new Origins({ address, port: 7080, publicUrls: ['https://bulkhead.example.org'] });
    const made = new PreviewNames(origins, previewUrl);
    made.listenOn(7081);
    return made;
  };

  test.each([
    ['localhost:7080', '', 'http://label.preview.localhost:7081', 'label'],
    ['127.0.0.1:7080', '', 'http://label.preview.localhost:7081', 'label'],
    ['[::1]:7080', '', 'http://label.preview.localhost:7081', 'label'],
    ['192.0.2.7:7080', '', 'http://192.0.2.7:7081', null],
    ['bulkhead.example.org', 'https://*.preview.example.org', 'https://label.preview.example.org', 'label'],
    ['bulkhead.example.org', 'https://*.p.example.org:8443', 'https://label.p.example.org:8443', 'label'],
    ['bulkhead.example.org', 'https://bulkhead.example.org:8443', 'https://bulkhead.example.org:8443', null],
  ])('a page at %s with %j has its previews at %s', (host, previewUrl, origin, label) => {
    const made = names(previewUrl);
    expect(made.originFor(host, 'label')).toBe(origin);
    expect(made.read(new URL(origin).host)).toEqual({ origin, label });
  });

  test('a name that has none for previews is told what to do', () => {
    expect(() => names().originFor('bulkhead.example.org', 'label')).toThrow(/--preview-url/);
  });

  test.each([
    'localhost:7081', // has names below it, and shares none
    'localhost:7080',
    'bulkhead.example.org',
    'label.preview.localhost:7080',
    'label.preview.localhost',
    'label.preview.example.org',
    'a.label.preview.localhost:7081',
    '.preview.localhost:7081',
    'evil.example:7081',
    '',
    undefined,
  ])('%j is no preview’s', (host) => {
    expect(names('https://*.p.example.org').read(host)).toBeNull();
  });
});
