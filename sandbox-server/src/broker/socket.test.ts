import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { SocketHost } from './socket.ts';

let broker: ScriptedBroker;
let host: SocketHost;

beforeEach(async () => {
  broker = new ScriptedBroker();
  await broker.listen();
  host = new SocketHost(broker.socket);
});
afterEach(async () => {
  host.close();
  await broker.close();
});

describe('a conversation with the broker', () => {
  test('answers find their requests in whatever order they come', async () => {
    const slow = Promise.withResolvers<object>();
    broker.on('machine.list', () => slow.promise);
    await host.start();
    const list = host.request('machine.list', {});
    expect((await host.request('probe', {})).hostname).toBe('testhost');
    slow.resolve({ machines: [] });
    expect(await list).toEqual({ machines: [] });
  });

  test('a refusal carries the code and message of the broker', async () => {
    await host.start();
    await expect(host.request('machine.delete', { machine: 'nobody' })).rejects.toMatchObject({
      code: 'not_found',
      message: 'no machine nobody here',
    });
  });

  test('an answer that the protocol does not know is refused, naming what is wrong with it', async () => {
    broker.on('machine.list', () => ({ machines: [], more: 1 }));
    await host.start();
    await expect(host.request('machine.list', {})).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringMatching(/machine\.list.*more/),
    });
  });

  test('a request that nobody answers ends after its time, and one that is given up at once', async () => {
    broker.on('machine.list', () => new Promise(() => {}));
    await host.start();
    await expect(host.request('machine.list', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'timeout',
    });
    const giveUp = new AbortController();
    const request = host.request('machine.list', {}, { signal: giveUp.signal });
    giveUp.abort();
    await expect(request).rejects.toMatchObject({ code: 'aborted' });
  });

  test('events reach whoever listens', async () => {
    await host.start();
    const seen: unknown[] = [];
    host.events.add((event) => seen.push(event));
    broker.emit({ event: 'machine.exited', machine: 'ab', reason: 'gone' });
    await until(() => seen.length === 1);
    expect(seen).toEqual([{ event: 'machine.exited', machine: 'ab', reason: 'gone' }]);
  });
});

describe('a broker that goes away', () => {
  test('open requests fail at once, and a broker that is back is found', async () => {
    broker.on('machine.list', () => new Promise(() => {}));
    await host.start();
    const changes: boolean[] = [];
    host.connections.add((connected) => changes.push(connected));
    const open = host.request('machine.list', {});
    await Promise.all([broker.kill(), expect(open).rejects.toMatchObject({ code: 'unavailable' })]);
    await expect(host.request('probe', {})).rejects.toMatchObject({ code: 'unavailable' });
    await broker.listen();
    await until(() => host.connected);
    expect(changes).toEqual([false, true]);
    expect((await host.request('probe', {})).hostname).toBe('testhost');
  });

  test('a server that starts first says why there is nothing, and connects later', async () => {
    await broker.kill();
    await host.start();
    expect(host.connected).toBe(false);
    expect(host.problem).toMatch(/^the broker: connect (ENOENT|ECONNREFUSED)$/);
    await broker.listen();
    await until(() => host.connected);
  });

  test('a peer that does not speak the protocol is left', async () => {
    await host.start();
    broker.emit({ event: 'nobody knows this' });
    await until(() => !host.connected);
    expect(host.problem).toMatch(/an event that is malformed/);
    await until(() => host.connected);
  });
});
