// Records terminals of real machines into one asciicast: what their shells print, what is typed, and what the host saw beside
// it, on lines that say so.
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import type { CastEvent } from '../../site/src/components/recording/asciicast.ts';
import type { Learner, RemoteTerminal } from '../integration/learner.ts';

export const COLUMNS = 76;
export const ROWS = 20;
/** Between two keys. A recording is for people, who cannot read what appears at once. */
const KEY_MS = 35;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
/** A shell's prompt at the end of what was printed. */
const PROMPT = /[\w-]+:[^\n]*# $/;

export class Camera {
  readonly events: CastEvent[] = [];
  readonly #began = performance.now();
  readonly learner: Learner;

  constructor(learner: Learner) {
    this.learner = learner;
  }

  print(text: string): void {
    this.events.push([(performance.now() - this.#began) / 1_000, text]);
  }

  /** A line of the host's, told apart from what the machines print by its mark and its colour. */
  async say(text: string): Promise<void> {
    const words = text.split(' ');
    const lines = [''];
    for (const word of words) {
      const line = lines.at(-1) ?? '';
      if (line.length + word.length + 1 > COLUMNS - 4) lines.push(word);
      else lines[lines.length - 1] = line ? `${line} ${word}` : word;
    }
    this.print(lines.map((line) => `\r\n\x1b[1;34m| ${line}\x1b[0m`).join(''));
    this.print('\r\n');
    await this.rest(400 + text.length * 28);
  }

  /** Time to read. */
  rest(ms: number): Promise<void> {
    return pause(ms);
  }

  /** The shell of a machine, whose output is recorded from now on. */
  async shell(sandbox: Sandbox, name: string): Promise<Shell> {
    const machine = sandbox.machines.find((one) => one.name === name);
    const terminal = this.learner.terminal(sandbox.id, name, machine?.terminals[0]?.terminal ?? '', {
      columns: COLUMNS,
      rows: ROWS,
    });
    terminal.onoutput = (bytes) => this.print(Buffer.from(bytes).toString());
    await terminal.attach();
    await terminal.see(PROMPT);
    return new Shell(terminal);
  }

  async make(machines: Parameters<Learner['create']>[0]): Promise<Sandbox> {
    const size = { columns: COLUMNS, rows: ROWS };
    let sandbox = await this.learner.create(machines.map((machine) => ({ ...machine, ...size })));
    for (const { name } of machines) sandbox = await this.learner.waitFor(sandbox.id, name, 'running');
    return sandbox;
  }

  /** An answer of the server's that has to be a good one. */
  async ask<T>(method: string, path: string): Promise<T> {
    const { status, body } = await this.learner.ask(method, path);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    return body as T;
  }

  end(sandbox: Sandbox): Promise<unknown> {
    return this.ask('DELETE', apiPaths.sandbox(sandbox.id));
  }
}

export class Shell {
  readonly #terminal: RemoteTerminal;

  constructor(terminal: RemoteTerminal) {
    this.#terminal = terminal;
  }

  /** Types a command as a hand does, without waiting for its end. */
  async type(command: string): Promise<void> {
    for (const key of command) {
      this.#terminal.type(key);
      await pause(KEY_MS);
    }
    this.#terminal.type('\r');
  }

  /** Types a command and waits until the shell asks for the next one. */
  async run(command: string): Promise<void> {
    const before = this.#terminal.text.length + command.length;
    await this.type(command);
    await this.see((text) => PROMPT.test(text.slice(before)));
    await pause(700);
  }

  /** A new prompt, after lines of the host's. */
  async prompt(): Promise<void> {
    const before = this.#terminal.text.length;
    this.#terminal.type('\r');
    await this.see((text) => PROMPT.test(text.slice(before + 2)));
  }

  async interrupt(): Promise<void> {
    const before = this.#terminal.text.length;
    this.#terminal.type('\x03');
    await this.see((text) => PROMPT.test(text.slice(before)));
  }

  /** Waits until what it printed is so. */
  async see(so: (text: string) => boolean): Promise<void> {
    const end = performance.now() + 120_000;
    while (!so(this.#terminal.text)) {
      if (performance.now() > end) throw new Error(`it never came; seen: ${this.#terminal.text.slice(-500)}`);
      await pause(20);
    }
  }

  /** As a page does whose connection was lost because the machine went elsewhere. */
  async comeBack(): Promise<void> {
    while (this.#terminal.closed === null) await pause(5);
    await this.#terminal.attach();
  }
}
