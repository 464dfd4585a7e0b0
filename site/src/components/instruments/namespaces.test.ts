import type { NamespaceIds, SeenProcess } from '@bulkhead/sandbox-server/protocol';
import { expect, test } from 'vitest';
import { seenProcess } from '../../testing/seen-process.ts';
import { departures, firstProcess, namespaceRows } from './namespaces.ts';

const host: NamespaceIds = {
  ...{ user: 1, mount: 2, pid: 3, network: 4 },
  ...{ ipc: 5, uts: 6, cgroup: 7, time: null },
};

test('what has another number than the host is its own, what has the same is shared, and the rest is not known', () => {
  const rows = namespaceRows({ ...host, pid: 30, time: 80 }, host);
  expect(rows.map(({ kind, state }) => [kind, state])).toEqual([
    ['pid', 'own'],
    ['mount', 'shared'],
    ['network', 'shared'],
    ['user', 'shared'],
    ['uts', 'shared'],
    ['ipc', 'shared'],
    ['cgroup', 'shared'],
    ['time', 'unknown'],
  ]);
  expect(rows[0]).toMatchObject({ id: 30, host: 3, divides: 'process numbers' });
  expect(namespaceRows(host, null).every(({ state }) => state === 'unknown')).toBe(true);
});

const at = (pid: number, namespaces: Partial<NamespaceIds> = {}): SeenProcess =>
  seenProcess({ pids: [pid], namespaces: { ...host, ...namespaces } });
const seen = (...processes: SeenProcess[]) => ({
  processes,
  total: processes.length,
  hostNamespaces: host,
});

test('the first process is the one that the server names, wherever it stands in the list', () => {
  expect(firstProcess(seen(at(7), at(9)), 9)?.pids).toEqual([9]);
  expect(firstProcess(seen(at(7), at(9)), null)?.pids).toEqual([7]);
  expect(firstProcess(seen(), 9)).toBeUndefined();
});

test('processes that were put elsewhere are told together, with what they left', () => {
  const first = at(1);
  const away = departures(
    seen(first, at(2), at(3, { pid: 31, mount: 21 }), at(4, { mount: 21, pid: 31 })),
    first,
  );
  expect(away).toHaveLength(1);
  expect(away[0]).toMatchObject({ kinds: ['pid', 'mount'], ids: { pid: 31, mount: 21 } });
  expect(away[0]?.processes.map(({ pids }) => pids[0])).toEqual([3, 4]);
  // What the kernel does not tell is no departure.
  expect(departures(seen(first, at(5, { time: 9, user: null })), first)).toEqual([]);
});
