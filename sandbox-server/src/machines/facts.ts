// Asks a machine about itself, from inside: what its programs are told is the point of the comparison.
import type { Host } from '../broker/host.ts';
import { GUEST_ITSELF } from '../broker/link.ts';
import type { MachineFacts } from '../protocol/api.ts';

/** One line each: kernel, host name, process 1, processes, uptime. Shell built-ins but for `tr`, which has ended when
 * processes are counted; so the count is one too many, the shell itself. */
const script = `read -r line </proc/sys/kernel/osrelease; echo "$line"
read -r line </proc/sys/kernel/hostname; echo "$line"
read -r name </proc/1/comm; command=$(tr '\\0' ' ' </proc/1/cmdline); echo "\${command:-$name}"
set -- /proc/[0-9]*; echo $#
read -r line </proc/uptime; echo "$line"`;

/** The facts of a VM, which its own broker knows without starting anything. Rejects with BrokerError. */
export async function readGuestFacts(guest: Host): Promise<MachineFacts> {
  const { init, kernel, hostname, uptime_ms: uptimeMs } = await guest.request('probe', {});
  // A VM that runs since before its broker told it.
  if (!init) return await readFacts(guest, GUEST_ITSELF);
  return {
    kernelRelease: short(kernel.release),
    hostname: short(hostname),
    pid1: short(init.command),
    processes: init.processes,
    uptimeMs,
    readAt: Date.now(),
  };
}

/** Runs a few commands in the machine. Rejects with BrokerError, or Error when the machine answers nonsense. */
export async function readFacts(host: Host, machine: string): Promise<MachineFacts> {
  const { stdout, stderr } = await host.request(
    'exec',
    { machine, command: ['/bin/sh', '-c', script], timeout_ms: 10_000, max_output_bytes: 4_096 },
    { timeoutMs: 15_000 },
  );
  const [kernelRelease = '', hostname = '', pid1 = '', processes = '', uptime = ''] = stdout.split('\n');
  const uptimeMs = Math.round(Number.parseFloat(uptime) * 1_000);
  const count = Number.parseInt(processes, 10) - 1;
  if (!kernelRelease || !Number.isFinite(uptimeMs) || !(count >= 0)) {
    throw new Error(`the machine did not tell its facts: ${stderr.trim() || stdout.trim() || 'no output'}`);
  }
  return {
    kernelRelease: short(kernelRelease),
    hostname: short(hostname),
    pid1: short(pid1),
    processes: count,
    uptimeMs,
    readAt: Date.now(),
  };
}

function short(text: string): string {
  return text.trim().slice(0, 200);
}
