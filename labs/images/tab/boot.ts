// Boots the Linux in the tab once, has it do what its learners will do first, and writes down its memory: image.json and
// the parts of its state. Run by build.sh.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Conversation } from '../../../sandbox-server/src/broker/conversation.ts';
import { Emulator } from '../../../site/src/tab/emulator.ts';
import {
  IMAGE_FILE,
  PART_BYTES,
  pieceCount,
  pieceFile,
  statePart,
  type TabImage,
  tabImageSchema,
} from '../../../site/src/tab/image.ts';
import { PieceDisk } from '../../../site/src/tab/piece-disk.ts';
import { installed } from './components.ts';

const MIB = 2 ** 20;
const MEMORY_BYTES = 192 * MIB;
const PIECE_BYTES = 256 * 1024;
/** A booting machine on a busy computer; 10 to 60 s were seen. */
const BOOT_LIMIT_MS = 300_000;
const LIMIT_MS = 60_000;

const { values } = parseArgs({
  options: Object.fromEntries(
    ['system', 'initrd', 'digest', 'out'].map((name) => [name, { type: 'string' as const }]),
  ),
});
const option = (name: string): string => {
  const value = values[name];
  if (typeof value !== 'string') throw new Error(`--${name} is missing`);
  return value;
};
const system = option('system');
const out = option('out');

const read = (path: string): ArrayBuffer => {
  const bytes = readFileSync(path);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
};

/** What the kernel is told. `reboot=p` ends the machine by a PCI register that the emulator has; `init_on_free` leaves
 * zeros where memory is free, so that a saved state holds only what is in use. There are no devices of the kind that
 * the next three look for, and no second processor to calibrate against. */
const COMMAND_LINE =
  'rdinit=/bin/bulkheadd console=ttyS0 quiet panic=-1 reboot=p mitigations=off init_on_free=1 ' +
  'noisapnp pnpbios=off no_timer_check tsc=reliable lsm=capability bulkhead.hostname=tab';

const diskBytes = Number(readFileSync(join(system, 'disk.bytes'), 'utf8'));
const disk = new PieceDisk(diskBytes, PIECE_BYTES, async (index) =>
  gunzipSync(readFileSync(join(system, pieceFile(index)))),
);
const v86 = dirname(createRequire(import.meta.url).resolve('v86'));
const emulator = await Emulator.make(
  await WebAssembly.compile(readFileSync(join(v86, 'v86.wasm'))),
  { memoryBytes: MEMORY_BYTES, disk },
  {
    bios: read('/usr/share/seabios/bios.bin'),
    vgaBios: read('/usr/share/seabios/vgabios-stdvga.bin'),
    kernel: read(join(system, 'vmlinuz')),
    initrd: read(option('initrd')),
    commandLine: COMMAND_LINE,
  },
);

const giveUp = (why: string): never => {
  process.stderr.write(`${emulator.console.join('\n')}\n${why}\n`);
  process.exit(1);
};
emulator.onRestart(() => giveUp('the machine restarted itself'));
process.on('uncaughtException', (error) => giveUp(String(error)));
emulator.run();

const guest = new Conversation(() => Promise.resolve(emulator.port));
await guest.greeted(BOOT_LIMIT_MS);

/** A container is made, used and ended, so that what the first real one needs is in the page cache. */
const rehearse = async (profile: 'hardened' | 'nested'): Promise<void> => {
  const machine = `rehearsal-${profile}`;
  await guest.request(
    'container.create',
    {
      machine,
      image: 'base',
      profile,
      hostname: 'box',
      limits: { memory_bytes: 64 * MIB, pids: 64, cpu_millis: 1_000, disk_bytes: 16 * MIB },
      labels: {},
    },
    { timeoutMs: LIMIT_MS },
  );
  const { terminal } = await guest.request('terminal.open', { machine, columns: 80, rows: 24 });
  await run(machine, 'ls -l / && ps aux && id && free -m && cat /proc/self/status');
  await guest.request('terminal.close', { machine, terminal });
  await guest.request('machine.delete', { machine }, { timeoutMs: LIMIT_MS });
};
const run = async (machine: string, script: string): Promise<string> => {
  const { status, stdout, stderr } = await guest.request(
    'exec',
    { machine, command: ['/bin/bash', '-lc', script], timeout_ms: LIMIT_MS, max_output_bytes: 65_536 },
    { timeoutMs: 2 * LIMIT_MS },
  );
  if (status !== 0) giveUp(`${script}: ${stderr}`);
  return stdout;
};

await rehearse('hardened');
await rehearse('nested');
const { kernel } = await guest.request('probe', {});
// Nothing may be under way that a copy would wait for.
while (disk.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 10));
await emulator.stop();
const state = Buffer.from(await emulator.save());
const packed = gzipSync(state, { level: 9 });
const content = createHash('sha256').update(packed);
const parts = Math.ceil(packed.length / PART_BYTES);
mkdirSync(join(out, 'state'));
for (let part = 0; part < parts; part++)
  writeFileSync(join(out, statePart(part)), packed.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
const diskSize = { bytes: diskBytes, packedBytes: 0, pieceBytes: PIECE_BYTES };
for (let index = 0; index < pieceCount({ disk: diskSize }); index++) {
  const piece = readFileSync(join(system, pieceFile(index)));
  content.update(piece);
  diskSize.packedBytes += piece.length;
}

const image: TabImage = tabImageSchema.parse({
  name: 'tab',
  digest: option('digest'),
  content: content.digest('hex').slice(0, 16),
  v86: JSON.parse(readFileSync(join(v86, '../package.json'), 'utf8')).version,
  release: kernel.release,
  built: new Date().toISOString(),
  memoryBytes: MEMORY_BYTES,
  state: { bytes: state.length, packedBytes: packed.length, parts },
  disk: diskSize,
  packages: [
    // Whose code is in the saved memory, or reads it; bulkheadd's own is this project's.
    ...installed('/', 'seabios'),
    ...JSON.parse(readFileSync(join(system, 'components.json'), 'utf8')),
  ],
});
writeFileSync(join(out, IMAGE_FILE), `${JSON.stringify(image, null, 2)}\n`);
process.exit(0);
