// What machines need of the kernel under them: which of it the host has, and which VMs would do.
import { type Need, needMeanings, needSchema } from '../protocol/api.ts';
import type { Probe } from '../protocol/broker.ts';

const CONTROLLERS = ['cpu', 'io', 'memory', 'pids'] as const;

/** Why the host itself does not have this, as the part of a sentence; null when it does. */
export function hostLacks(need: Need, probe: Probe): string | null {
  const { version, controllers } = probe.cgroup;
  const missing = CONTROLLERS.filter((controller) => !controllers.includes(controller));
  switch (need) {
    case 'cgroup2':
      if (version !== 2) return `this host has cgroup v${version}`;
      return missing.length > 0 ? `this host's cgroup v2 has no ${missing.join(', ')} controller` : null;
    case 'selinux':
      return probe.selinux === 'enforcing' ? null : 'no SELinux is enforced on this host';
    case 'nested':
      return probe.nesting === 'host' ? null : "this host's kernel is kept clear of learners' own partitions";
    case 'panic':
      return "this host's kernel is not for crashing";
    case 'modules':
      return "this host's kernel takes no modules from learners";
  }
}

/** What a VM's kernel, about which its guest tells, lacks of what was promised; null when nothing. */
export function guestLacks(needs: readonly Need[], probe: Probe): Need | null {
  const kernels: readonly Need[] = ['cgroup2', 'selinux'];
  return needs.find((need) => kernels.includes(need) && hostLacks(need, probe) !== null) ?? null;
}

/** What a VM has to be asked for beyond the ordinary so that machines with these needs can run in it. */
export function featuresFor(needs: readonly Need[]): 'selinux'[] {
  return needs.includes('selinux') ? ['selinux'] : [];
}

/** Containers with the same key may share a VM. Every VM has cgroup2 and leave for nesting; not every one has SELinux, and
 * where one container's lesson is a crash, or a module, another is not to be crashed with it. */
export function kernelKey(needs: readonly Need[]): string {
  return needs.filter((need) => need === 'selinux' || need === 'panic' || need === 'modules').join(' ');
}

/** Each need once, in the order of the vocabulary. */
export function inOrder(needs: readonly Need[]): Need[] {
  return needSchema.options.filter((need) => needs.includes(need));
}

/** Those of the words that are needs: for notes that an earlier version of the server may have written. */
export function parseNeeds(text: string): Need[] {
  const words = text.split(' ');
  return needSchema.options.filter((need) => words.includes(need));
}

/** "a", "a and b", "a, b and c". */
export function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}

/** "cgroup2 (control groups version 2, …)": for whoever does not know the vocabulary. */
export function explained(need: Need): string {
  return `${need} (${needMeanings[need]})`;
}
