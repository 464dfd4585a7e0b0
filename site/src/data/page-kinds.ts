// Whose glyph a page carries on its card, where it is not the container's.
import type { KindName } from './kinds.ts';

const kindOfPage: Record<string, KindName> = {
  '/2013/': 'container',
  '/compare/': 'vm',
  '/concepts/capabilities-and-seccomp/': 'labels',
  '/concepts/chroot/': 'chroot',
  '/concepts/containers-and-vms/': 'vm',
  '/concepts/faults/': 'vm',
  '/concepts/limits/': 'limits',
  '/concepts/moving/': 'vm',
  '/concepts/namespaces/': 'zone',
  '/concepts/patching/': 'vm',
  '/concepts/process/': 'process',
  '/concepts/selinux/': 'labels',
  '/concepts/virtual-machines/': 'vm',
  '/history/': 'hardware',
  '/history/bazaar/': 'jail',
  '/history/big-machines/': 'hardware',
  '/history/linux-parts/': 'limits',
  '/history/one-expensive-machine/': 'chroot',
  '/history/walls-again/': 'vm',
  '/tab/': 'vm',
};

/** The kind of partition that a page is about. */
export const pageKind = (path: string): KindName => kindOfPage[path] ?? 'container';
