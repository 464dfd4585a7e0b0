// What is measured at a terminal, whoever serves it: from a key to its echo, from Ctrl-C to the prompt, bytes a second.

/** A terminal with a shell in it. */
export interface OpenTerminal {
  type(text: string): void;
  /** Told everything that is printed. */
  onOutput: (bytes: Uint8Array) => void;
  close(): void;
}

/** Longer than anything takes that is going to come. */
const PATIENCE_MS = 120_000;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
/** Letters of a line, before it is taken back: a line that wraps is drawn again by the shell. */
const LINE = 40;
const KILL_LINE = '\x15';
const INTERRUPT = '\x03';
/** End of a shell's prompt, and the sequences that end its colours. */
const prompt = new RegExp(`[#$] (?:${String.fromCharCode(0x1b)}\\[[\\d;?]*[a-zA-Z])*$`);

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until what is printed after this call matches; looks at the last of it only. `doing` is what makes it come. */
export const whenPrinted = (
  terminal: OpenTerminal,
  pattern: RegExp,
  doing: () => void,
  each: (bytes: Uint8Array) => void = () => {},
): Promise<void> =>
  new Promise((resolve, reject) => {
    let tail = '';
    const late = setTimeout(
      () => reject(new Error(`no ${pattern} within ${PATIENCE_MS} ms; seen: ${JSON.stringify(tail)}`)),
      PATIENCE_MS,
    );
    terminal.onOutput = (bytes) => {
      each(bytes);
      tail = (tail + Buffer.from(bytes.subarray(-256)).toString('latin1')).slice(-256);
      if (!pattern.test(tail)) return;
      clearTimeout(late);
      terminal.onOutput = () => {};
      resolve();
    };
    doing();
  });

/** Types nothing but Enter until there is a prompt. */
export const atPrompt = (terminal: OpenTerminal): Promise<void> =>
  whenPrinted(terminal, prompt, () => terminal.type('\r'));

/** Milliseconds from a key to its echo: `keys` times, with pauses between them of up to twice `gapMs`, for it is the
 * processor that has gone to sleep that answers a person. */
export async function echoTimes(terminal: OpenTerminal, keys: number, gapMs: number): Promise<number[]> {
  const times: number[] = [];
  for (let key = 0; key < keys; key++) {
    await pause(gapMs / 2 + Math.random() * gapMs);
    if (key % LINE === LINE - 1) {
      await whenPrinted(terminal, /./s, () => terminal.type(KILL_LINE));
      await pause(gapMs);
    }
    const letter = LETTERS[key % LETTERS.length] ?? 'a';
    const began = performance.now();
    await whenPrinted(terminal, new RegExp(letter), () => terminal.type(letter));
    times.push(performance.now() - began);
  }
  await whenPrinted(terminal, /./s, () => terminal.type(KILL_LINE));
  return times;
}

/** Types a command as a person does and waits until it is done. Milliseconds from each key to its echo. */
export async function typeLine(terminal: OpenTerminal, command: string): Promise<number[]> {
  const times: number[] = [];
  for (const key of command) {
    await pause(60 + Math.random() * 200);
    const began = performance.now();
    const echo = new RegExp(key.replace(/[^a-z0-9]/g, '\\$&'));
    await whenPrinted(terminal, echo, () => terminal.type(key));
    times.push(performance.now() - began);
  }
  await whenPrinted(terminal, prompt, () => terminal.type('\r'));
  return times;
}

/** Prints `megabytes`; millions of bytes a second that arrived. */
export async function throughput(terminal: OpenTerminal, megabytes: number): Promise<number> {
  const flood = `yes 0123456789abcde | head -c ${megabytes}000000`;
  let bytes = 0;
  let began = 0;
  const count = (piece: Uint8Array) => {
    if (began === 0 && Buffer.from(piece).includes('be-gin')) began = performance.now();
    if (began > 0) bytes += piece.length;
  };
  // The marks are typed in halves, or their echo would be taken for them.
  await whenPrinted(terminal, /e-nd/, () => terminal.type(`echo be''-gin; ${flood}; echo e''-nd\r`), count);
  const seconds = (performance.now() - began) / 1_000;
  await atPrompt(terminal);
  return bytes / 1e6 / seconds;
}

/** Prints without end; stop it with `interrupt`. Resolves when a megabyte has come. */
export async function flood(terminal: OpenTerminal): Promise<void> {
  let bytes = 0;
  await new Promise<void>((resolve) => {
    terminal.onOutput = (piece) => {
      bytes += piece.length;
      if (bytes > 1e6) resolve();
    };
    terminal.type('yes 0123456789abcde\r');
  });
}

/** Milliseconds from Ctrl-C, in the midst of a flood, to the prompt. */
export async function interrupt(terminal: OpenTerminal): Promise<number> {
  const began = performance.now();
  await whenPrinted(terminal, prompt, () => terminal.type(INTERRUPT));
  return performance.now() - began;
}

/** Prints a line of eighty characters twenty times a second, as a build does, with nothing but the shell: a program
 * started for each line would be what is measured. */
export function printSlowly(terminal: OpenTerminal): void {
  const line = '0123456789'.repeat(8).slice(0, 78);
  terminal.type(`exec 9<> <(:); while :; do read -rt 0.05 -u 9; echo ${line}; done\r`);
}
