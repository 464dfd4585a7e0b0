// Every attempt of one system call, socket, file or process: where it is shown to work, and what stops it in each profile.
import { existsSync } from 'node:fs';
import { expect } from 'vitest';

/** What stops an attempt: the errno it ends with, or part of what it says. `GOT`: it is what the profile is for. */
type Stop = string;
type Attempt = {
  readonly title: string;
  readonly run: string;
  /**
   * Where it is shown to work: as root in a VM, or as root on the host where the VM's kernel lacks it. Nowhere: neither
   * kernel has it; the rule that stops it is then of a kind with one that is shown.
   */
  readonly works: 'guest' | 'host' | 'nowhere';
  readonly hardened: Stop;
  readonly nested: Stop;
};

/** One attempt that both profiles stop alike. */
const both = (title: string, run: string, stop: Stop, works: Attempt['works'] = 'guest'): Attempt => ({
  title,
  run,
  works,
  hardened: stop,
  nested: stop,
});

const DOORS: readonly Attempt[] = [
  both('loads a BPF program’s map', 'bpf', 'EPERM'),
  both('counts performance events', 'perf_event', 'EPERM'),
  both('uses io_uring', 'io_uring', 'EPERM'),
  both('handles page faults by itself', 'userfaultfd', 'EPERM'),
  both('adds a key', 'add_key', 'EPERM'),
  both('looks for a key', 'request_key', 'EPERM'),
  both('reads a keyring', 'keyctl', 'EPERM'),
  both('prepares another kernel', 'kexec', 'EPERM'),
  both('loads a module', 'load_module', 'EPERM'),
  both('unloads a module', 'unload_module', 'EPERM'),
  both('opens a file by its number', 'open_by_handle', 'EPERM', 'host'),
  both('has the host’s asynchronous I/O (fs.aio-max-nr)', 'io_setup', 'ENOSYS'),
  both('clones with flags that no filter can read', 'clone3', 'ENOSYS'),
  both('reads the kernel’s log', 'kernel_log', 'EPERM'),
  both('turns Ctrl-Alt-Del off', 'reboot', 'EPERM'),
  both('sets the clock', 'set_clock', 'EPERM'),
  both('uses I/O ports', 'io_ports', 'EPERM'),
  both('adds swap', 'swap', 'EPERM'),
  both('gets real-time priority', 'realtime', 'EPERM'),
  both('gets the highest priority', 'priority', 'EACCES'),
  both('raises its limit of open files', 'more_files', 'EPERM'),
  both('leaves the order of the OOM killer', 'write_to /proc/self/oom_score_adj -1000', 'EACCES'),
  both('makes system calls of 32-bit programs', 'int80', 'ENOSYS'),
  both('makes an AF_ALG socket by a 32-bit call', 'int80_socketcall 38 5', 'ENOSYS'),
];

const SOCKETS: readonly Attempt[] = [
  both('AF_ALG (CVE-2026-31431)', 'socket 38 5 0', 'EAFNOSUPPORT'),
  both('AF_VSOCK', 'socket 40 1 0', 'EAFNOSUPPORT'),
  both('AF_VSOCK, with a bit that the kernel ignores', 'socket h40 1 0', 'EAFNOSUPPORT'),
  both('AF_KEY', 'socket 15 3 2', 'EAFNOSUPPORT'),
  both('AF_SMC', 'socket 43 1 0', 'EAFNOSUPPORT'),
  both('netlink XFRM (CVE-2026-43284)', 'socket 16 3 6', 'EPROTONOSUPPORT'),
  both('netlink XFRM, with a bit in the protocol', 'socket 16 3 h6', 'EPROTONOSUPPORT'),
  both('netlink XFRM, with a bit in the family', 'socket h16 3 6', 'EAFNOSUPPORT'),
  both('netlink netfilter', 'socket 16 3 12', 'EPROTONOSUPPORT'),
  both('a pair of AF_INET sockets', 'socketpair 2 1 0', 'EAFNOSUPPORT'),
  both('a pair of AF_VSOCK sockets', 'socketpair 40 1 0', 'EAFNOSUPPORT'),
  both('a pair of AF_VSOCK sockets, with a bit', 'socketpair h40 1 0', 'EAFNOSUPPORT'),
  both('SCTP', 'socket 2 1 132', 'EPROTONOSUPPORT'),
  both('SCTP, with a bit', 'socket 2 1 h132', 'EPROTONOSUPPORT'),
  both('SCTP over IPv6', 'socket 10 1 132', 'EPROTONOSUPPORT'),
  both('MPTCP', 'socket 2 1 262', 'EPROTONOSUPPORT'),
  both('out-of-band data (CVE-2025-38236)', 'out_of_band', 'EOPNOTSUPP'),
  both('out-of-band data in a message', 'out_of_band message', 'EOPNOTSUPP'),
  both('TLS in the kernel (CVE-2023-0461)', 'tls_in_kernel', 'ENOPROTOOPT'),
  both('AF_RXRPC', 'socket 33 2 2', 'EAFNOSUPPORT', 'nowhere'),
  both('AF_TIPC', 'socket 30 1 0', 'EAFNOSUPPORT', 'nowhere'),
  both('AF_KCM', 'socket 41 5 0', 'EAFNOSUPPORT'),
  both('AF_X25', 'socket 9 5 0', 'EAFNOSUPPORT', 'nowhere'),
  {
    ...both('a ring of packets, in memory that nobody counts', 'packet_ring', 'socket: EAFNOSUPPORT'),
    nested: 'setsockopt: EPERM',
  },
  {
    ...both('a ring of packets to send', 'packet_ring tx', 'socket: EAFNOSUPPORT'),
    nested: 'setsockopt: EPERM',
  },
  {
    ...both('packets as they are on the wire', 'socket 17 3 0', 'EAFNOSUPPORT'),
    nested: 'GOT', // of its own network namespace, which has loopback
  },
];

const CORE_PATTERN = 'sys/kernel/core_pattern core';
const FILES: readonly Attempt[] = [
  both('writes core_pattern', `write_to /proc/${CORE_PATTERN}`, 'EACCES'),
  both('writes core_pattern in a fresh /proc', `fresh_proc_directly ${CORE_PATTERN}`, 'E(PERM|ACCES)'),
  both('writes core_pattern in a nested container’s /proc', `fresh_proc ${CORE_PATTERN}`, 'E(PERM|ACCES)'),
  both('triggers SysRq', 'write_to /proc/sysrq-trigger h', 'E(ACCES|ROFS|NOENT)'),
  both('changes a sysctl', 'write_to /proc/sys/vm/drop_caches 1', 'E(ACCES|ROFS)'),
  both('reads the kernel’s memory in /proc', 'read_from /proc/kcore', 'empty|EACCES|EPERM|ENOENT'),
  both('reads the timers of all processes', 'read_from /proc/timer_list', 'empty|EACCES'),
  { ...both('reads the kernel’s symbols', 'read_from /proc/kallsyms', 'empty'), nested: 'GOT' },
  both('reads physical memory', 'read_from /dev/mem', 'ENOENT'),
  both('reads the kernel’s log device', 'read_from /dev/kmsg', 'ENOENT'),
  both('reads the disk', 'read_from /dev/vda', 'ENOENT'),
  both('makes a node for physical memory', 'device c 1 1', 'EPERM'),
  both('makes a node for the kernel’s log', 'device c 1 11', 'EPERM'),
  both('makes a node for FUSE', 'device c 10 229', 'EPERM'),
  both('opens /dev/fuse', 'open /dev/fuse', 'ENOENT'), // which the last but one has made there
  both('opens /dev/kvm', 'open /dev/kvm', 'ENOENT', existsSync('/dev/kvm') ? 'host' : 'nowhere'),
  both('reads all timers in a nested container’s /proc', 'fresh_proc_read timer_list', 'E(PERM|ACCES)'),
  both('changes the times of the host’s /dev/null', 'times_of /dev/null', 'EROFS'),
  both('makes a node for the disk', 'host_disk 254 0', 'EPERM'),
  { ...both('makes /sys writable', 'remount /sys', 'EPERM'), nested: 'GOT' },
  both('sets a release agent (CVE-2022-0492)', 'release_agent none,name=escape', 'mount: EPERM'),
  {
    ...both('writes to its own cgroup', 'own_limit pids cgroup.clone_children 0', 'mount: EPERM', 'host'),
    nested: 'E(ACCES|BUSY)',
  },
];

const PROCESSES: readonly Attempt[] = [
  both('types into a terminal (TIOCSTI)', 'type_into_terminal', 'EPERM'),
  both('types into a terminal, with a bit (CVE-2019-10063)', 'type_into_terminal wide', 'EPERM'),
  both('types into a terminal by /dev/tty', 'type_into /dev/tty', 'EPERM'),
  both('types into a terminal by a descriptor’s name', 'type_into /proc/self/fd/3', 'EPERM'),
  both('gives a terminal another line discipline', 'line_discipline', 'EPERM'),
  both('gives it one, with a bit', 'line_discipline wide', 'EPERM'),
  both('pastes into a console (TIOCLINUX)', 'paste_into_console', 'EPERM'),
  both('pastes into a console, with a bit', 'paste_into_console wide', 'EPERM'),
  { ...both('drops groups', 'setgroups', 'EPERM'), nested: 'GOT' },
  { ...both('makes a user namespace', 'new_namespace 0x10000000', 'EPERM'), nested: 'GOT' },
  { ...both('makes a mount namespace', 'new_namespace 0x20000', 'EPERM'), nested: 'GOT' },
  { ...both('makes a network namespace', 'new_namespace 0x40000000', 'EPERM'), nested: 'GOT' },
  { ...both('leaves children to a process of the host', 'children_of_another 3', 'EPERM'), nested: 'GOT' },
  { ...both('becomes root by a setuid program', 'setuid_program', 'setresuid: EPERM'), nested: 'GOT' },
];

export const expectStopped = (said: string, stop: Stop) => {
  expect(said).toMatch(stop === 'GOT' ? /^GOT/ : new RegExp(`^STOPPED.*(${stop})`));
};

export const GROUPS = { 'the kernel’s doors': DOORS, sockets: SOCKETS, files: FILES, processes: PROCESSES };
