// Boots the Linux in the tab once, has it do what its learners will do first, and writes down its memory: image.json and
// the parts of its state. Run by build.sh.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Conversation, GUEST_ITSELF } from '../../../sandbox-server/src/broker/conversation.ts';
import {
  ATTACH_VERSION,
  decodeFrame,
  encodeFrame,
  FrameSplitter,
  prefixFrame,
  RING_BYTES,
} from '../../../sandbox-server/src/protocol/frames.ts';
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
import {
  containerLimits,
  PREPARED_NAME,
  PREPARED_TERMINAL,
  prepared,
} from '../../../site/src/tab/prepared.ts';
import { installed } from './components.ts';

const MIB = 2 ** 20;
const MEMORY_BYTES = 192 * MIB;
const PIECE_BYTES = 256 * 1024;
/** A booting machine on a busy computer; 10 to 60 s were seen. */
const BOOT_LIMIT_MS = 300_000;
const LIMIT_MS = 60_000;
const WAIT = { timeoutMs: 2 * LIMIT_MS };

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
  'noisapnp pnpbios=off no_timer_check tsc=reliable lsm=capability,selinux bulkhead.hostname=tab bulkhead.emulated';

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

/** A container is made, used and ended, so that what others need is in the page cache; then one is made that stays, with a
 * shell at its prompt, for whoever asks first. */
const prepare = async (profile: keyof typeof prepared): Promise<TabImage['prepared'][number]> => {
  const rehearsal = `rehearsal-${profile}`;
  await makeContainer(rehearsal, profile);
  const { terminal } = await openTerminal(rehearsal);
  await run(rehearsal, 'ls -l / && ps aux && id && free -m && cat /proc/self/status');
  await rehearseCheck(rehearsal);
  await guest.request('terminal.close', { machine: rehearsal, terminal }, WAIT);
  await guest.request('machine.delete', { machine: rehearsal }, WAIT);
  const machine = prepared[profile];
  const { trace } = await makeContainer(machine, profile);
  await promptOf(machine, (await openTerminal(machine)).terminal);
  return { machine, trace };
};

/** Again where it took longer than a check may: on a busy host it does, and what was read by then is in memory. */
const rehearseCheck = async (machine: string, triesLeft = 4): Promise<void> => {
  const done = await guest
    .request('check', { machine, ...REHEARSED_CHECK }, WAIT)
    .then(({ timed_out }) => !timed_out)
    .catch((error: unknown) => {
      if (triesLeft === 0) throw error;
      return false;
    });
  if (!done && triesLeft > 0) await rehearseCheck(machine, triesLeft - 1);
};

/** With the tools that most checks of labs use: an emulated processor reads each for the first time but once. */
const REHEARSED_CHECK = {
  script: `#!/bin/sh
for process in /proc/[0-9]*; do
    readlink "$process/ns/uts"
    sed -n 's/^PPid:\\t//p' "$process/status"
done | sort -u | grep -c .
stat -c %d:%i "$MACHINE" && find "$MACHINE/root" && pgrep -f init && ps -e | tail -n 1 | tr -d 0 | cut -d ' ' -f 1
awk '$5 == "/" { print $3 }' /proc/1/mountinfo | head -n 1
`,
  timeout_ms: LIMIT_MS,
  max_output_bytes: 65_536,
};

const makeContainer = (machine: string, profile: keyof typeof prepared) =>
  guest.request(
    'container.create',
    {
      machine,
      image: 'base',
      profile,
      hostname: PREPARED_NAME,
      limits: containerLimits,
      labels: {},
    },
    WAIT,
  );

const openTerminal = (machine: string) =>
  guest.request('terminal.open', { machine, ...PREPARED_TERMINAL }, WAIT);

/** Waits until the shell has printed its prompt, and leaves the terminal as if nobody had been there. */
const promptOf = async (machine: string, terminal: string): Promise<void> => {
  const stream = await guest.attach(machine, terminal);
  const frames = new FrameSplitter();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let screen = '';
  const take = (bytes: Uint8Array) => {
    const frame = decodeFrame(bytes);
    if (frame.type === 'output') screen += new TextDecoder().decode(frame.bytes);
    if (/[#$] \S*$/.test(screen)) resolve();
  };
  stream.open({
    data: (bytes) => frames.push(bytes, take),
    closed: (reason) => reject(new Error(`the terminal of ${machine}: ${reason}`)),
  });
  const say = (frame: Parameters<typeof encodeFrame>[0]) => stream.write(prefixFrame(encodeFrame(frame)));
  say({ type: 'role', mayType: false });
  say({ type: 'attach', version: ATTACH_VERSION, offset: 0, credit: RING_BYTES, ...PREPARED_TERMINAL });
  const late = setTimeout(() => reject(new Error(`${machine} shows no prompt: ${screen}`)), LIMIT_MS);
  await promise.finally(() => clearTimeout(late));
  stream.close('it stands at its prompt');
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

const ready = [await prepare('hardened'), await prepare('nested')];
// Of a second machine, the learner's shell is one of the guest itself.
await guest.request('terminal.prepare', { machine: GUEST_ITSELF }, WAIT);
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
  prepared: ready,
  packages: [
    // Whose code is in the saved memory, or reads it; bulkheadd's own is this project's.
    ...installed('/', 'seabios'),
    ...JSON.parse(readFileSync(join(system, 'components.json'), 'utf8')),
  ],
});
writeFileSync(join(out, IMAGE_FILE), `${JSON.stringify(image, null, 2)}\n`);
process.exit(0);
