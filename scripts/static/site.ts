// The site as a folder for any web host: what was built, with relative addresses, and the Linux for the tab in it.
import {
  cpSync,
  existsSync,
  globSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeServiceWorker } from '../../site/src/offline/integration.ts';
import { siteRoot } from '../../site/src/publish/address.ts';
import {
  filesOf,
  IMAGE_FILE,
  imageFiles,
  TAB_PATH,
  type TabImage,
  tabImageSchema,
} from '../../site/src/tab/image.ts';
import { PlainError } from '../progress.ts';
import { relativePage, relativeStyle, rootFrom } from './relative.ts';

export interface StaticSite {
  /** The built site. */
  dist: string;
  /** The image of the Linux for the tab; null: none goes along. */
  linux: string | null;
  /** Exchanged for what is made when that is whole. */
  out: string;
}

/** Makes the folder. Returns the image that is in it. */
export function writeStaticSite({ dist, linux, out }: StaticSite): TabImage | null {
  if (existsSync(out) && !existsSync(join(out, 'index.html')))
    throw new PlainError(`${out} is there and is no site: choose another with --out`);
  const made = join(dirname(out), `.${basename(out)}-making`);
  rmSync(made, { recursive: true, force: true });
  mkdirSync(dirname(out), { recursive: true });
  // Hosts compress by themselves; the copies are for sandbox-server, and of pages that are about to change.
  cpSync(dist, made, { recursive: true, filter: (file) => !/\.(br|gz)$/.test(file) });
  for (const file of globSync('**/*.html', { cwd: made })) {
    const page = join(made, file);
    writeFileSync(page, relativePage(readFileSync(page, 'utf8'), rootOf(file)));
  }
  for (const file of globSync('**/*.css', { cwd: made })) {
    const style = join(made, file);
    writeFileSync(style, relativeStyle(readFileSync(style, 'utf8'), rootFrom(file)));
  }
  writeServiceWorker(made);
  // GitHub Pages leaves out what begins with an underscore unless it is told not to.
  writeFileSync(join(made, '.nojekyll'), '');
  const image = linux === null ? null : putImage(linux, join(made, TAB_PATH));
  rmSync(out, { recursive: true, force: true });
  renameSync(made, out);
  return image;
}

/** A host answers with 404.html at any address, so its way to the root must be written out. */
const rootOf = (file: string): string =>
  file === '404.html' ? new URL(siteRoot().root).pathname : rootFrom(file);

function putImage(from: string, to: string): TabImage {
  const image = tabImageSchema.parse(JSON.parse(readFileSync(join(from, IMAGE_FILE), 'utf8')));
  const folder = filesOf(`${to}/`, image);
  for (const name of ['state', 'disk']) mkdirSync(join(folder, name), { recursive: true });
  for (const file of imageFiles(image)) put(join(from, file), join(folder, file));
  put(join(from, IMAGE_FILE), join(to, IMAGE_FILE));
  return image;
}

/** 60 MB in 500 files that nobody changes: the same ones where that can be. */
function put(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    cpSync(from, to);
  }
}
