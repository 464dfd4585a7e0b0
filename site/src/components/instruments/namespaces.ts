// Which namespaces a machine has of its own: by the numbers that the kernel gives them.
import type {
  NamespaceIds,
  NamespaceKind,
  SeenProcess,
  SeenProcesses,
} from '@bulkhead/sandbox-server/protocol';
import { say } from './words.ts';

/** What each kind divides, in the order in which a reader meets them. */
const divides: Record<NamespaceKind, string> = {
  pid: say('divides.pid'),
  mount: say('divides.mount'),
  network: say('divides.network'),
  user: say('divides.user'),
  uts: say('divides.uts'),
  ipc: say('divides.ipc'),
  cgroup: say('divides.cgroup'),
  time: say('divides.time'),
};
export const namespaceOrder = Object.keys(divides) as NamespaceKind[];

export interface NamespaceRow {
  kind: NamespaceKind;
  divides: string;
  id: number | null;
  host: number | null;
  /** unknown: one of the two numbers was not told. */
  state: 'own' | 'shared' | 'unknown';
}

/** The namespaces of a process beside those of its host. */
export function namespaceRows(ids: NamespaceIds, host: NamespaceIds | null): NamespaceRow[] {
  return namespaceOrder.map((kind) => {
    const [id, theirs] = [ids[kind], host?.[kind] ?? null];
    const state = id === null || theirs === null ? 'unknown' : id === theirs ? 'shared' : 'own';
    return { kind, divides: divides[kind], id, host: theirs, state };
  });
}

/** The process that a machine stands or falls with: the one with that pid on its host, else the first. */
export function firstProcess(seen: SeenProcesses, hostPid: number | null): SeenProcess | undefined {
  return seen.processes.find(({ pids }) => pids[0] === hostPid) ?? seen.processes[0];
}

/** Processes that have left some namespaces of their machine for others. */
export interface Departure {
  kinds: NamespaceKind[];
  ids: Partial<NamespaceIds>;
  processes: SeenProcess[];
}

/** Those of a machine's processes that are not where its first is: what somebody made inside with unshare, say. */
export function departures(seen: SeenProcesses, first: SeenProcess): Departure[] {
  const found = new Map<string, Departure>();
  for (const process of seen.processes) {
    const kinds = namespaceOrder.filter((kind) => {
      const [id, usual] = [process.namespaces[kind], first.namespaces[kind]];
      return id !== null && usual !== null && id !== usual;
    });
    if (kinds.length === 0) continue;
    const ids = Object.fromEntries(kinds.map((kind) => [kind, process.namespaces[kind]]));
    const key = JSON.stringify(ids);
    const known = found.get(key);
    if (known) known.processes.push(process);
    else found.set(key, { kinds, ids, processes: [process] });
  }
  return [...found.values()];
}
