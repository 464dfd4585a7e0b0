// A process as a kernel shows it, for tests: as plain as can be, but for what a test says.
import type { SeenProcess } from '@bulkhead/sandbox-server/protocol';

export const seenProcess = (different: Partial<SeenProcess>): SeenProcess => ({
  ...{ pids: [1], parent: null, name: 'sh', command: 'sh', state: 'S', threads: 1, threadNames: [] },
  ...{ uid: 0, gid: 0, cgroup: '/', uidMap: null, gidMap: null, label: null, seccomp: 0, noNewPrivs: false },
  namespaces: { user: 1, mount: 1, pid: 1, network: 1, ipc: 1, uts: 1, cgroup: 1, time: 1 },
  capabilities: { effective: null, permitted: null, inheritable: null, bounding: null, ambient: null },
  ...different,
});
