// The files of a machine, wherever it runs: what the editor needs of one.
import type { Directory, FilePart, WriteFile } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import type { RequestOptions } from '../sandbox/api.ts';
import { afterActivity } from './activity.ts';

/** Every promise rejects with RequestFailed, whose message a page can say; of a file that is not there, with the code
 * `not_found`. */
export interface MachineFiles {
  list(path: string): Promise<Directory>;
  /** The beginning of a file; `more` says that it is longer. */
  read(path: string): Promise<FilePart>;
  /** Puts a file in place of what was there, in one step; with the code `conflict` where that is not what it `was`. */
  write(file: WriteFile): Promise<void>;
  /** Calls `look` whenever something in the machine may have changed. Returns what ends that. */
  watch(look: () => void): () => void;
}

/** The files of a machine, by the API; `ask` carries its requests to wherever the machine is. */
export function machineFiles(
  ask: <T>(path: string, options?: RequestOptions) => Promise<T>,
  sandbox: string,
  machine: string,
): MachineFiles {
  const files = apiPaths.files(sandbox, machine);
  const at = (address: string, path: string) => `${address}?${new URLSearchParams({ path })}`;
  return {
    list: (path) => ask<Directory>(at(apiPaths.directory(sandbox, machine), path)),
    read: (path) => ask<FilePart>(at(files, path)),
    write: (body) => ask<void>(files, { method: 'PUT', body }),
    watch: afterActivity,
  };
}
