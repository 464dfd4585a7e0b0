// Files of real containers through the broker: who can plant anything there cannot make it reach outside.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS, MIB, TestBroker } from './broker.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await TestBroker.start();
});
afterAll(() => broker.dispose());

const encode = (text: string | Uint8Array) => Buffer.from(text).toString('base64');

describe.each(['hardened', 'nested'] as const)('files of a %s container', (profile) => {
  const machine = profile;
  beforeAll(async () => {
    await broker.create(machine, { profile, limits: { ...LIMITS, disk_bytes: 8 * MIB } });
  });
  afterAll(() => broker.control.request('machine.delete', { machine }));

  const read = async (path: string) => {
    const { content } = await broker.control.request('file.read', { machine, path, max_bytes: 65_536 });
    return Buffer.from(content, 'base64').toString();
  };
  const list = (path: string) => broker.control.request('file.list', { machine, path });
  const write = (path: string, content: string | Uint8Array) =>
    broker.control.request('file.write', { machine, path, content: encode(content) });

  it('are its root’s, not the host’s', async () => {
    await write('/root/note', 'made by the broker');
    expect(await broker.shell(machine, 'cat /root/note; stat -c " %u %g %a" /root/note')).toBe(
      'made by the broker 0 0 644',
    );
    await broker.shell(machine, 'echo -n secret > /root/mine; chmod 600 /root/mine');
    expect(await read('/root/mine')).toBe('secret');
  });

  it('are settings of the kernel only as far as it may set them itself', async () => {
    const settings = ['/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/kernel/mm/ksm/run'];
    const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    for (const path of settings) await expect(write(path, 'x')).rejects.toMatchObject({ field: 'path' });
    expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(before);
    await expect(read('/proc/1/mem')).rejects.toThrow();
    await expect(read('/proc/kcore')).rejects.toThrow();
  });

  it('stay inside while links are planted under the reader and the writer', async () => {
    const secret = join(broker.state, 'secret');
    writeFileSync(secret, 'of the host');
    const up = `../../../../../..${broker.state}`;
    const plant = `mkdir -p /root/real && echo -n inside > /root/real/secret && cd /root &&
      (setsid sh -c 'while :; do ln -sfn real swap; ln -sfn ${up} swap; done' </dev/null >/dev/null 2>&1 &)`;
    await broker.shell(machine, plant);
    const [seen, names] = [new Set<string>(), new Set<string>()];
    for (let turn = 0; turn < 25; turn++) {
      seen.add(await read('/root/swap/secret').catch((error: Error) => error.message.slice(0, 11)));
      await write('/root/swap/secret', 'inside').catch(() => {});
      const { entries } = await list('/root/swap').catch(() => ({ entries: [] }));
      for (const { name } of entries) names.add(name);
    }
    await broker.shell(machine, 'pkill -f swap');
    expect([...seen].filter((text) => text !== 'inside' && text !== 'cannot read')).toEqual([]);
    expect([...names].filter((name) => name !== 'secret')).toEqual([]);
    expect(readFileSync(secret, 'utf8')).toBe('of the host');
  });

  it('and where commands begin, are inside also while links take the place of its home', async () => {
    const home = `home-${profile}`;
    await broker.create(home, { profile });
    // There is a link from the first moment on: a directory that is missing would be made for the command.
    const plant = `mkdir /real && ln -s ../../../../../..${broker.state} /out && mv /root /home/root && ln -s /real /root &&
      (setsid sh -c 'while :; do ln -sfn /real /root; ln -sfn /out /root; done' </dev/null >/dev/null 2>&1 &)`;
    await broker.shell(home, plant);
    const seen = new Set<string>();
    for (let turn = 0; turn < 15; turn++) {
      seen.add(await broker.shell(home, 'pwd -P; ls').catch(() => 'refused'));
    }
    await broker.control.request('machine.delete', { machine: home });
    expect([...seen].filter((text) => text !== '/real' && text !== 'refused')).toEqual([]);
  });

  it('cost its own memory, end with its disk, and are whole or as they were', async () => {
    const before = (await broker.control.request('machine.stats', { machine })).memory_bytes ?? 0;
    const block = new Uint8Array(256 * 1024).fill(65);
    await write('/root/kept', 'before');
    let written = 0;
    const fill = async () => {
      for (; written < 100; written++) await write(`/root/fill-${written}`, block);
    };
    await expect(fill()).rejects.toMatchObject({ code: 'limit', field: 'path' });
    expect(written).toBeGreaterThan(24); // of the 8 MiB that it has
    const after = (await broker.control.request('machine.stats', { machine })).memory_bytes ?? 0;
    expect(after - before).toBeGreaterThan(4 * MIB);
    await expect(write('/root/kept', block)).rejects.toMatchObject({ code: 'limit' });
    expect(await read('/root/kept')).toBe('before');
    expect(await broker.shell(machine, 'ls -A /root | grep -c bulkhead; rm /root/fill-*')).toBe('0');
  });

  it('are written over what was read, or not at all', async () => {
    const over = (expected: object, content: string) =>
      broker.control.request('file.write', {
        machine,
        path: '/root/shared',
        content: encode(content),
        ...expected,
      });
    await over({ fresh: true }, 'one');
    await expect(over({ fresh: true }, 'two')).rejects.toMatchObject({ code: 'exists', field: 'path' });
    await broker.shell(machine, 'echo -n typed > /root/shared');
    await expect(over({ was: encode('one') }, 'two')).rejects.toMatchObject({
      code: 'exists',
      message: expect.stringContaining('/root/shared is not what it was'),
    });
    expect(await read('/root/shared')).toBe('typed');
    await over({ was: encode('typed') }, 'two');
    expect(await read('/root/shared')).toBe('two');
  });

  it.each([
    ['no such file', '/root/none', 'not_found'],
    ['a directory', '/etc', 'bad_request'],
    ['a device', '/dev/null', 'bad_request'],
    ['a path that is not absolute', 'etc/passwd', 'bad_request'],
  ])('refused: %s', async (_what, path, code) => {
    await expect(read(path)).rejects.toMatchObject({ code, field: 'path' });
  });
});

describe('what is no file request', () => {
  it('is refused, naming what is at fault', async () => {
    const ask = (content: string) =>
      broker.control.request('file.write', { machine: 'nobody', path: '/x', content });
    await expect(ask('not base64!')).rejects.toMatchObject({ code: 'bad_request', field: 'content' });
    await expect(ask(encode(new Uint8Array(262_145 + 2)))).rejects.toMatchObject({ code: 'bad_request' });
    await expect(ask(encode('x'))).rejects.toMatchObject({ code: 'not_found', field: 'machine' });
  });
});
