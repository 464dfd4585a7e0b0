// Folders for what a test makes. A test removes its own when it is done; what a failed one left goes when its process ends, and
// what a killed one left goes when the next test wants a folder.
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The name says whose it is: `bh-<purpose>-<pid>-XXXXXX`. */
const NAME = /^bh-[a-z-]+-(\d+)-\w{6}$/;

const made = new Set<string>();

/** A new folder, open to this user alone, in the system's folder for such things. `purpose` is in its name. */
export function temporaryFolder(purpose: string): string {
  if (made.size === 0) {
    sweep();
    process.once('exit', removeOwn);
    process.once('SIGTERM', endAsAsked); // as a runner ends its workers, also those that are done
  }
  const folder = mkdtempSync(join(tmpdir(), `bh-${purpose}-${process.pid}-`));
  made.add(folder);
  return folder;
}

function removeOwn(): void {
  removeUnused([...made].filter((folder) => existsSync(folder)));
}

function endAsAsked(): void {
  removeOwn();
  process.kill(process.pid, 'SIGTERM');
}

/** Removes what processes made that were killed. Another user's folders are not looked at. */
function sweep(): void {
  const left = readdirSync(tmpdir())
    .filter((name) => isOrphan(name))
    .map((name) => join(tmpdir(), name));
  removeUnused(
    left.filter((folder) => lstatSync(folder, { throwIfNoEntry: false })?.uid === process.getuid?.()),
  );
}

function isOrphan(name: string): boolean {
  const [, pid] = NAME.exec(name) ?? [];
  return pid !== undefined && !existsSync(`/proc/${pid}`);
}

function removeUnused(folders: readonly string[]): void {
  if (folders.length === 0) return;
  const commands = commandLines();
  for (const folder of folders) {
    if (!isUsed(folder, commands)) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * A broker whose starter was killed may still be at work on its folder; one that was killed itself has left machines that only
 * a broker can end, and their records are all that tells of them. Mounts are never removed across.
 */
function isUsed(folder: string, commands: readonly string[]): boolean {
  const machines = join(folder, 'run/machines');
  if (existsSync(machines) && readdirSync(machines).length > 0) return true;
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  return mounts.includes(`${folder}/`) || commands.some((command) => command.includes(folder));
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`)
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return ''; // it has ended
      }
    });
}
