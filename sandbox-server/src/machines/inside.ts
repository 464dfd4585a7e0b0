// What is done in a machine without a terminal: commands under a time limit, and files.
import { BrokerError } from '../broker/client.ts';
import type { Host } from '../broker/host.ts';
import { Problem } from '../problem.ts';
import {
  type Directory,
  FILE_BYTES_MAX,
  type FilePart,
  type Ran,
  type RunCommand,
  type WriteFile,
} from '../protocol/api.ts';

const DEFAULT_TIMEOUT_MS = 10_000;
const OUTPUT_MAX = 65_536;
/** What the broker and, in a VM, an emulated processor take besides. */
const GRACE_MS = 15_000;

/** Runs a command as the machine's root. Rejects with Problem where there is no such command, and with BrokerError when
 * none could be run; how the command ended is in the answer. `asLearner`: in the control group where the learner's own shells
 * are, so that it can do with control groups what they can. */
export async function runCommand(
  host: Host,
  machine: string,
  wish: RunCommand & { asLearner?: boolean },
): Promise<Ran> {
  const { command, timeoutMs = DEFAULT_TIMEOUT_MS, asLearner = false } = wish;
  const params = {
    machine,
    command,
    timeout_ms: timeoutMs,
    max_output_bytes: OUTPUT_MAX,
    ...(asLearner && { as_learner: true }),
  };
  const ran = await host.request('exec', params, { timeoutMs: timeoutMs + GRACE_MS }).catch(explainCommand);
  const { status, signal, truncated, stdout, stderr } = ran;
  const durationMs = ran.duration_us / 1_000;
  return { status, signal, timedOut: ran.timed_out, truncated, stdout, stderr, durationMs };
}

/** A part of a file. Rejects with Problem. */
export async function readFile(
  host: Host,
  machine: string,
  { path, offset = 0 }: { path: string; offset?: number | undefined },
): Promise<FilePart> {
  const params = { machine, path, offset, max_bytes: FILE_BYTES_MAX };
  const read = await host.request('file.read', params, { timeoutMs: GRACE_MS }).catch(explain);
  const { size, mode, content, more } = read;
  return { size, mode, modifiedAt: read.modified_ms, content, more };
}

/** Puts a file in place of what was there. Rejects with Problem: `conflict` where that is not what the wish says it was. */
export async function writeFile(host: Host, machine: string, wish: WriteFile): Promise<void> {
  const { path, content, mode, was } = wish;
  const expected = was === null ? { fresh: true as const } : was !== undefined && { was };
  const params = { machine, path, content, ...(mode !== undefined && { mode }), ...expected };
  await host.request('file.write', params, { timeoutMs: GRACE_MS }).catch(explain);
}

/** What is in a directory. Rejects with Problem. */
export async function listDirectory(host: Host, machine: string, path: string): Promise<Directory> {
  const { entries, more } = await host
    .request('file.list', { machine, path }, { timeoutMs: GRACE_MS })
    .catch(explain);
  return {
    entries: entries.map(({ modified_ms, ...entry }) => ({ ...entry, modifiedAt: modified_ms })),
    more,
  };
}

/** A program that is not there, or is none, is not the server's fault. */
function explainCommand(error: unknown): never {
  if (!(error instanceof BrokerError) || error.code !== 'failed') throw error;
  const message = `The machine could not run it: ${error.message}.`;
  throw new Problem('conflict', message, { field: 'command' });
}

/** A refusal that is about the path is the asker's to mend, and not the server's fault. */
function explain(error: unknown): never {
  if (error instanceof BrokerError && error.field === 'path') {
    const field = { field: 'path' };
    const sentence = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
    if (error.code === 'not_found') throw new Problem('not_found', sentence, field);
    if (error.code === 'exists') throw new Problem('conflict', sentence, field);
    if (error.code === 'denied') throw new Problem('forbidden', sentence, field);
    if (error.code === 'limit') throw new Problem('too_large', sentence, field);
    if (error.code === 'bad_request') throw new Problem('bad_request', sentence, field);
  }
  throw error;
}
