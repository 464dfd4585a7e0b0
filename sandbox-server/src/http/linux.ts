// The Linux for the reader's tab as files: its description, which is asked for every time, and parts that never change, in a
// folder that is named for what they hold.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { Problem } from '../problem.ts';
import { ASK_EVERY_TIME, FOREVER } from './site.ts';

export const LINUX_PATH = '/linux/';

/** Seconds after which it makes sense to look whether the image has been built. */
const LOOK_AGAIN_SECONDS = 60;

/** What is read of image.json; the page knows the rest (site/src/tab/image.ts). */
const description = z.object({ content: z.string().regex(/^[0-9a-f]{16}$/) });
const partAddress = /^\/linux\/([0-9a-f]{16})\/((?:state|disk)\/\d{2,4}\.bin)$/;

const notBuilt = () =>
  new Problem('not_built', 'The Linux for the tab is not built yet.', { retryAfter: LOOK_AGAIN_SECONDS });

/** The caching is said here. */
const unadorned = { cacheControl: false };

/** `directory`: where `labs/images/build --only tab` puts the image. It may come, or be exchanged, while the server runs. */
export async function serveLinux(app: FastifyInstance, directory: string): Promise<void> {
  const image = new Description(join(directory, 'image.json'));
  await app.register(async (scope) => {
    await scope.register(fastifyStatic, { serve: false });
    scope.get(`${LINUX_PATH}*`, (request, reply) => {
      const path = request.url.split('?', 1)[0] ?? '';
      const content = image.content();
      if (path === `${LINUX_PATH}image.json`) {
        if (content === null) throw notBuilt();
        return reply.header('cache-control', ASK_EVERY_TIME).sendFile('image.json', directory, unadorned);
      }
      // Parts of another build are not there, whatever their names are: a machine must not be made of two.
      const [, wanted, file] = partAddress.exec(path) ?? [];
      if (!file || wanted !== content)
        throw new Problem('not_found', 'The Linux for the tab has no such file.');
      return reply.header('cache-control', FOREVER).sendFile(file, directory, unadorned);
    });
  });
}

/** What the image's folder holds now. */
class Description {
  readonly #file: string;
  #read: { mtimeMs: number; inode: number; content: string | null } | null = null;

  constructor(file: string) {
    this.#file = file;
  }

  /** Null while there is no image. */
  content(): string | null {
    const found = statSync(this.#file, { throwIfNoEntry: false });
    if (!found) return null;
    if (this.#read?.mtimeMs !== found.mtimeMs || this.#read.inode !== found.ino) {
      const read = description.safeParse(JSON.parse(readFileSync(this.#file, 'utf8')));
      const content = read.success ? read.data.content : null;
      this.#read = { mtimeMs: found.mtimeMs, inode: found.ino, content };
    }
    return this.#read.content;
  }
}
