// A container in a VM on its way through a checkpoint: written down where it runs, carried to another VM, made again there.
// Nothing here knows what the server shows of a machine.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../broker/host.ts';
import { messageOf } from '../problem.ts';
import { CHECKPOINT_CHUNK } from '../protocol/broker.ts';

/** CRIU itself is given 60 s by the broker; packing and an emulated processor come on top. */
const PATIENCE = { timeoutMs: 180_000 };

/** What was written down of a container, and how long that took, in milliseconds. */
export interface Written {
  bytes: number;
  elapsedMs: number;
}

/** What is over a moment later: a shell is between two commands, so that its terminal's foreground is one that has just
 * ended, which CRIU cannot give back; or a command of ours, a check say, is in the container, which is nobody's child there. */
const PASSING = /tty: Failed to set group \d+ on \d+: No such process|was put into container/;
const ATTEMPTS = 5;
const PAUSE_MS = 400;

async function again<T>(what: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await what();
    } catch (error) {
      if (attempt === ATTEMPTS || !PASSING.test(messageOf(error))) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** Writes a container down; it goes on, or stands still with `hold`. Rejects with BrokerError, and the container goes on. */
export async function writeDown(
  host: Host,
  machine: string,
  checkpoint: string,
  hold: boolean,
): Promise<Written> {
  const begun = performance.now();
  const params = { machine, checkpoint, hold };
  const { bytes } = await again(() => host.request('container.checkpoint', params, PATIENCE));
  return { bytes, elapsedMs: performance.now() - begun };
}

/** Makes the container of a checkpoint again. Rejects with BrokerError, and nothing is left of the attempt. */
export async function makeAgain(host: Host, checkpoint: string) {
  return (await host.request('container.restore', { checkpoint }, PATIENCE)).machine;
}

/** Copies a checkpoint from one VM to another, a piece at a time: no more of it than that is ever here. */
async function carry(from: Host, to: Host, checkpoint: string, bytes: number): Promise<void> {
  for (let offset = 0; offset < bytes; ) {
    const length = Math.min(CHECKPOINT_CHUNK, bytes - offset);
    const { data } = await from.request('checkpoint.read', { checkpoint, offset, length }, PATIENCE);
    const { bytes: arrived } = await to.request('checkpoint.write', { checkpoint, offset, data }, PATIENCE);
    // A guest may say anything.
    if (arrived <= offset || arrived > offset + length)
      throw new Error('the checkpoint arrived in other pieces than it was sent in');
    offset = arrived;
  }
}

/** Has a container go on in another VM: it stands still from the moment that is written down until it runs there, or, when
 * that fails, until it goes on where it was. The one that stood still is left to the caller to delete. */
export function moveContainer(from: Host, to: Host, machine: string, checkpoint: string) {
  return again(() => tryToMove(from, to, machine, checkpoint));
}

async function tryToMove(from: Host, to: Host, machine: string, checkpoint: string) {
  const { bytes, elapsedMs } = await writeDown(from, machine, checkpoint, true);
  const stood = performance.now();
  try {
    await carry(from, to, checkpoint, bytes);
    const record = await makeAgain(to, checkpoint);
    const standstillMs = performance.now() - stood;
    return { record, bytes, standstillMs, elapsedMs: elapsedMs + standstillMs };
  } catch (error) {
    await from.request('container.resume', { machine }, PATIENCE);
    throw error;
  } finally {
    for (const host of [from, to]) await host.request('checkpoint.delete', { checkpoint }).catch(() => {});
  }
}
