// Lists what the tab image is made of, with versions, sources and licences: components.json, written while Debian's files
// are still at hand. Run by system.sh.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import type { Component } from '../../../site/src/tab/image.ts';
import { licencesIn } from './licences.ts';

/** Whose code is in `bulkheadd`, which is linked statically. */
const LINKED = ['libc6-dev', 'libgcc-12-dev', 'libjansson-dev', 'libseccomp-dev', 'libcap-dev'];

const licencesOf = (root: string, name: string): string[] => {
  const file = join(root, 'usr/share/doc', name, 'copyright');
  return existsSync(file) ? licencesIn(readFileSync(file, 'utf8')) : [];
};

/** What dpkg says is installed in `root`. */
export function installed(root: string, ...names: string[]): Component[] {
  const fields = ['Package', 'Version', 'source:Package', 'source:Version'].map((field) => `\${${field}}`);
  const listed = execFileSync(
    'dpkg-query',
    [`--root=${root}`, '--show', `--showformat=${fields.join(' ')}\\n`, ...names],
    { encoding: 'utf8' },
  );
  return listed
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', version = '', source = '', sourceVersion = ''] = line.split(' ');
      return { package: name, version, source, sourceVersion, licences: licencesOf(root, name) };
    });
}

/** A package that was only unpacked: its changelog begins with `source (version)`. */
function unpacked(root: string, name: string): Component {
  const folder = join(root, 'usr/share/doc', name);
  const changelog = ['changelog.Debian.gz', 'changelog.gz']
    .map((file) => join(folder, file))
    .find((file) => existsSync(file));
  const first = changelog ? gunzipSync(readFileSync(changelog)).toString('utf8').split('\n', 1)[0] : '';
  const [, source, version] = /^(\S+) \((\S+)\)/.exec(first ?? '') ?? [];
  if (!source || !version) throw new Error(`${folder} has no changelog that says which version ${name} is`);
  return { package: name, version, source, sourceVersion: version, licences: licencesOf(root, name) };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rootfs: { type: 'string', default: '' },
      sysroot: { type: 'string', default: '' },
      kernel: { type: 'string', default: '' },
      release: { type: 'string', default: '' },
    },
  });
  const components = [
    unpacked(values.kernel, `linux-image-${values.release}`),
    ...LINKED.map((name) => unpacked(values.sysroot, name)),
    ...installed(values.rootfs),
  ];
  process.stdout.write(`${JSON.stringify(components, null, 1)}\n`);
}
