// The host's view of a machine, asked of the broker under it and, for a VM, of the one inside.
import type { HostView, SeenProcess, SeenProcesses } from '../protocol/api.ts';
import type { BrokerResult } from '../protocol/broker.ts';
import type { KernelToAsk } from './stats.ts';

/** The broker gives a process that does not let itself be read three seconds. */
const TIMEOUT_MS = 5_000;

/** `inside`: a VM's own kernel, where it answers. Rejects with BrokerError when the host does not know the machine. */
export async function readView(outside: KernelToAsk, inside: KernelToAsk | null): Promise<HostView> {
  const [host, guest] = await Promise.all([
    ask(outside),
    inside ? ask(inside).catch(() => null) : null, // it hangs, or is of a version that cannot be asked
  ]);
  return { outside: host, inside: guest };
}

async function ask({ host, machine }: KernelToAsk): Promise<SeenProcesses> {
  const { processes, total, host_namespaces } = await host.request(
    'machine.view',
    { machine },
    { timeoutMs: TIMEOUT_MS },
  );
  return { processes: processes.map(seenProcess), total, hostNamespaces: host_namespaces ?? null };
}

function seenProcess(process: BrokerResult<'machine.view'>['processes'][number]): SeenProcess {
  const { uid_map, gid_map, no_new_privs, thread_names, capabilities, seccomp, ...same } = process;
  const { effective, permitted, inheritable, bounding, ambient } = capabilities;
  return {
    ...same,
    uidMap: uid_map,
    gidMap: gid_map,
    threadNames: thread_names ?? [],
    capabilities: {
      effective: effective ?? null,
      permitted: permitted ?? null,
      inheritable: inheritable ?? null,
      bounding: bounding ?? null,
      ambient: ambient ?? null,
    },
    seccomp: seccomp ?? null,
    noNewPrivs: no_new_privs === undefined ? null : no_new_privs !== 0,
  };
}
