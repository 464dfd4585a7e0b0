// Some of a classroom's learners, in a process of their own, for they are other people's computers:
//   node pupils.ts PLAN-AS-JSON
// lets each of them arrive, type, build, flood, vanish and come back, and prints what it was like as one line of JSON.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Machine } from '../../sandbox-server/src/protocol/api.ts';
import { type Address, openTerminal } from './terminal-servers.ts';
import { atPrompt, flood, interrupt, type OpenTerminal, pause, typeLine } from './typing.ts';
import { VisitedTerminal, Visitor } from './visitor.ts';

export interface Plan {
  address: Address;
  /** Numbers of the learners, which decide what they do. */
  learners: number[];
  /** Seconds within which all arrive, and after which all go home. */
  arriveWithin: number;
  until: number;
  /** Seconds from a command's prompt to the next command, on average: people read what they see, and what to do next. */
  think: number;
  vms: boolean;
}

export interface Report {
  /** Milliseconds from a key to its echo, while nothing of this learner's own was running. */
  echoContainer: number[];
  echoVm: number[];
  /** Milliseconds from opening the page to the prompts. */
  promptContainer: number[];
  promptVm: number[];
  /** From coming back to the first byte of what was missed, or to its welcome. */
  back: number[];
  interrupts: number[];
  builds: number;
  keys: number;
  /** Output that was gone before somebody who had vanished was back: the screen was drawn anew. */
  losses: number;
  /** Terminals that were out of reach for a moment and came back by themselves, as on a page. */
  comebacks: number;
  errors: string[];
  /** How late this process itself was at worst, in milliseconds: it is not to be taken for the server. */
  lateMs: number;
}

const plan = JSON.parse(process.argv[2] ?? '') as Plan;
const report: Report = {
  ...{ echoContainer: [], echoVm: [], promptContainer: [], promptVm: [], back: [], interrupts: [] },
  ...{ builds: 0, keys: 0, losses: 0, comebacks: 0, errors: [], lateMs: 0 },
};
const end = performance.now() + plan.until * 1_000;
const COMMANDS = [
  'ls -l /proc/self/ns',
  'cat /proc/1/status',
  'ps aux',
  'id; hostname',
  'cat /proc/self/cgroup',
];
const BUILD = 'for i in $(seq 8); do gzip -9 < /bin/bash | sha256sum > /dev/null; echo "CC part$i.o"; done';
const FLOOD_MS = 3_000;

const between = (least: number, most: number): number => least + Math.random() * (most - least);

interface Desk {
  box: OpenTerminal;
  /** Resolves when the VM is there; null where there is none. */
  vm: Promise<OpenTerminal> | null;
  vanish: (() => Promise<void>) | null;
}

/** Comes to the page and clicks; has what a page has. */
async function sitDown(): Promise<Desk> {
  if (plan.address.kind !== 'bulkhead') {
    const began = performance.now();
    const box = await openTerminal(plan.address);
    report.promptContainer.push(performance.now() - began);
    return { box, vm: null, vanish: null };
  }
  const visitor = new Visitor(plan.address.url);
  await visitor.load('/');
  const began = performance.now();
  const size = { columns: 80, rows: 24 };
  const { id } = await visitor.create([
    { name: 'box', kind: 'container', ...size },
    ...(plan.vms ? [{ name: 'vm', kind: 'vm', start: 'template', ...size } as const] : []),
  ]);
  const opened: VisitedTerminal[] = [];
  const whenRunning = new Map<string, { resolve(machine: Machine): void; reject(error: Error): void }>();
  const running = (name: string) =>
    new Promise<Machine>((resolve, reject) => {
      whenRunning.set(name, { resolve, reject });
    });
  const machines = [running('box'), ...(plan.vms ? [running('vm')] : [])];
  visitor.follow(
    id,
    ({ event, data }) => {
      if (event !== 'machine') return;
      if (data.state === 'running') whenRunning.get(data.name)?.resolve(data);
      if (data.state === 'failed' || data.state === 'ended')
        whenRunning.get(data.name)?.reject(new Error(`${data.name}: ${data.reason}`));
    },
    (why) => report.errors.push(why),
  );
  const open = async (machine: Promise<Machine> | undefined, times: number[]): Promise<VisitedTerminal> => {
    const { name, terminals } = (await machine) as Machine;
    const terminal = visitor.terminal(id, name, terminals[0]?.terminal ?? '');
    terminal.onFault = (why) => report.errors.push(why);
    const prompt = atPrompt(terminal);
    prompt.catch(() => {}); // or, where attaching fails first, nobody would hear of it
    await terminal.attach();
    await prompt;
    times.push(performance.now() - began);
    opened.push(terminal);
    return terminal;
  };
  const vanish = async () => {
    const left = [...opened]; // the VM's may come while nobody is there
    for (const terminal of left) terminal.drop();
    await pause(between(1_000, 5_000));
    const came = performance.now();
    await Promise.all(left.map((terminal) => terminal.attach()));
    report.back.push(performance.now() - came);
  };
  const vm = plan.vms ? open(machines[1], report.promptVm) : null;
  vm?.catch(() => {}); // told where it is waited for
  return { box: await open(machines[0], report.promptContainer), vm, vanish };
}

async function work(number: number): Promise<void> {
  await pause(between(0, plan.arriveWithin * 1_000));
  const { box, vm, vanish } = await sitDown();
  let inVm: OpenTerminal | null = null;
  let vmFailed = false;
  vm?.then(
    (terminal) => {
      inVm = terminal;
    },
    (error: Error) => {
      vmFailed = true;
      report.errors.push(`learner ${number}: ${error.message}`);
    },
  );
  for (let round = number; performance.now() < end; round++) {
    const useVm = inVm !== null && round % 3 === 0;
    const command = COMMANDS[round % COMMANDS.length] ?? '';
    const times = await typeLine(useVm ? (inVm ?? box) : box, command);
    (useVm ? report.echoVm : report.echoContainer).push(...times);
    report.keys += times.length;
    if (number % 10 === 1 && round % 4 === 0) {
      await typeLine(box, BUILD);
      report.builds++;
    }
    if (number % 20 === 2 && round % 4 === 0) {
      await flood(box);
      await pause(FLOOD_MS);
      report.interrupts.push(await interrupt(box));
    }
    if (number % 10 === 3) await vanish?.();
    await pause(between(plan.think / 3, (plan.think / 3) * 5) * 1_000);
  }
  for (const terminal of [box, inVm]) {
    if (terminal instanceof VisitedTerminal) report.comebacks += terminal.comebacks;
  }
  if (vm && !inVm && !vmFailed) report.errors.push(`learner ${number}: the VM was not there by the end`);
}

const late = monitorEventLoopDelay({ resolution: 10 });
late.enable();
await Promise.all(
  plan.learners.map((number) =>
    work(number).catch((error: Error) => report.errors.push(`learner ${number}: ${error.message}`)),
  ),
);
report.lateMs = late.percentile(99) / 1e6;
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
