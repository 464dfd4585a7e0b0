// Counts what a stack has made on this machine: processes, mounts, cgroups and namespaces that bear its state directory or
// its cgroup's name. Others' are never looked at, so a busy machine does not disturb the count.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type Census = {
  /** `pid command line` of each process that names the state directory or sits in a cgroup of the stack. */
  readonly processes: string[];
  readonly mounts: string[];
  readonly cgroups: string[];
  /** Namespaces, such as `net:[4026532241]`, that those processes are in and this process is not. */
  readonly namespaces: string[];
};

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts', 'time'];

/** What `read` gives, or nothing if the process or directory went away meanwhile. */
const ifThere = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    return undefined;
  }
};

const cgroupsNamed = (name: string, directory: string, depth: number): string[] => {
  const found: string[] = [];
  for (const entry of ifThere(() => readdirSync(directory, { withFileTypes: true })) ?? []) {
    if (!entry.isDirectory()) continue;
    const path = join(directory, entry.name);
    if (entry.name === name)
      found.push(
        path,
        ...(ifThere(() => readdirSync(path)) ?? [])
          .map((one) => join(path, one))
          .filter((one) => ifThere(() => statSync(one).isDirectory())),
      );
    else if (depth > 0) found.push(...cgroupsNamed(name, path, depth - 1));
  }
  return found;
};

/** Takes the census of the stack whose state is in `state` and whose cgroup is called `cgroup`. */
export const census = (state: string, cgroup: string): Census => {
  const processes: string[] = [];
  const namespaces = new Set<string>();
  const own = new Set(NAMESPACES.map((name) => ifThere(() => readlinkSync(`/proc/self/ns/${name}`))));
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = ifThere(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.replaceAll('\0', ' ') ?? '';
    const groups = ifThere(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? '';
    if (!command.includes(state) && !groups.includes(`/${cgroup}`)) continue;
    processes.push(`${pid} ${command.trim()}`);
    for (const name of NAMESPACES) {
      const namespace = ifThere(() => readlinkSync(`/proc/${pid}/ns/${name}`));
      if (namespace && !own.has(namespace)) namespaces.add(namespace);
    }
  }
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(state) || line.includes(' - nsfs '));
  return {
    processes,
    mounts,
    cgroups: cgroupsNamed(cgroup, '/sys/fs/cgroup', 2),
    namespaces: [...namespaces],
  };
};
