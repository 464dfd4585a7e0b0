// A PC in JavaScript (v86) with a console port for the link and a read-only disk. It knows neither Node nor the DOM: the
// image build boots it in Node, a page's worker restores it.
import { V86, type V86Options } from 'v86';
import { ConsolePort, type VirtioConsole } from './console-port.ts';
import type { PieceDisk } from './piece-disk.ts';

/** What a guest is given besides its processor. A saved state fits no other values. */
export interface Hardware {
  /** A multiple of 128 KiB. */
  memoryBytes: number;
  disk: PieceDisk;
}

/** What a guest boots from. */
export interface Firmware {
  bios: ArrayBuffer;
  vgaBios: ArrayBuffer;
  kernel: ArrayBuffer;
  initrd: ArrayBuffer;
  commandLine: string;
}

/** The parts of v86 that are used and that its declarations do not name. v86 is pinned to one version, whose states only
 * it reads; tests run all of this. */
interface Internals {
  v86: {
    cpu: {
      devices: { virtio_console: VirtioConsole };
      wasm_memory: WebAssembly.Memory;
      zero_memory(start: number, length: number): void;
      pack_memory(): { packed_memory: Uint8Array<ArrayBuffer> };
      reboot_internal(): void;
    };
    bus: { send(event: string): void };
    do_tick(): void;
    yield(delayMs: number, tick: number): void;
    yield_callback(tick: number): void;
  };
}

/** v86's own event names, of which its declarations know only the first port's. */
type AnyEvents = {
  add_listener(event: string, listener: (value: never) => void): void;
  bus: { send(event: string, value: unknown): void };
};

/** The text screen needs memory of its own; nobody looks at it. */
const SCREEN_BYTES = 1_048_576;

export class Emulator {
  readonly port: ConsolePort;
  readonly #v86: V86;
  readonly #internals: Internals['v86'];
  readonly #serial = new SerialLines();
  #restarted: (() => void) | null = null;

  private constructor(v86: V86) {
    this.#v86 = v86;
    this.#internals = (v86 as unknown as Internals).v86;
    const events = v86 as unknown as AnyEvents;
    this.port = new ConsolePort(this.#internals.cpu.devices.virtio_console, events);
    v86.add_listener('serial0-output-byte', (byte) => this.#serial.take(byte));
    this.#endWithGuest();
  }

  /** A guest that ends restarts its machine, which has nothing to boot from here; one whose processor fails (a triple fault)
   * ends v86 by a trap. Either way not one instruction may follow, so the turn is left by a throw and there is no next. */
  #endWithGuest(): void {
    const { cpu } = this.#internals;
    const turn = this.#internals.do_tick.bind(this.#internals);
    let ended = false;
    cpu.reboot_internal = () => {
      throw new Error('the guest restarts its machine');
    };
    this.#internals.do_tick = () => {
      if (ended) return;
      try {
        turn();
      } catch {
        ended = true;
        this.#internals.bus.send('emulator-stopped'); // or whoever stops it now would wait for ever
        this.#restarted?.();
      }
    };
  }

  /** `wasm`: v86's code, compiled. */
  static async make(wasm: WebAssembly.Module, hardware: Hardware, firmware?: Firmware): Promise<Emulator> {
    const options: V86Options = {
      wasm_fn: async (imports) => (await WebAssembly.instantiate(wasm, imports)).exports,
      memory_size: hardware.memoryBytes,
      vga_memory_size: SCREEN_BYTES,
      virtio_console: { type: 'none' },
      hda: hardware.disk as unknown as NonNullable<V86Options['hda']>,
      disable_keyboard: true,
      disable_mouse: true,
      disable_speaker: true,
      autostart: false,
      ...(firmware && {
        bios: { buffer: firmware.bios },
        vga_bios: { buffer: firmware.vgaBios },
        bzimage: { buffer: firmware.kernel },
        initrd: { buffer: firmware.initrd },
        cmdline: firmware.commandLine,
      }),
    };
    const v86 = new V86(options);
    await new Promise<void>((resolve) => v86.add_listener('emulator-loaded', () => resolve()));
    return new Emulator(v86);
  }

  run(): void {
    void this.#v86.run();
  }

  async stop(): Promise<void> {
    await this.#v86.stop();
  }

  /** Puts a machine that has not run, of the same hardware, into the moment that was saved. It stands still until `run`. */
  async restore(state: ArrayBuffer): Promise<void> {
    const { cpu } = this.#internals;
    const zero = cpu.zero_memory;
    // Nothing has been in its memory. To write zeros there would take from the device what the guest does not use, most of it.
    cpu.zero_memory = () => {};
    await this.#v86.restore_state(state);
    cpu.zero_memory = zero;
  }

  async save(): Promise<ArrayBuffer> {
    const { cpu } = this.#internals;
    const pack = cpu.pack_memory;
    let packed: Uint8Array<ArrayBuffer> | undefined;
    cpu.pack_memory = () => {
      const memory = pack.call(cpu);
      packed = memory.packed_memory;
      return memory;
    };
    try {
      return await this.#v86.save_state();
    } finally {
      cpu.pack_memory = pack;
      packed?.buffer.transfer?.(0); // it is in what is returned
    }
  }

  async destroy(): Promise<void> {
    await this.#v86.destroy();
  }

  /** What it takes of the tab's memory. */
  get memoryBytes(): number {
    return this.#internals.cpu.wasm_memory.buffer.byteLength;
  }

  /** The last lines of the serial console: what a kernel says when it panics. */
  get console(): readonly string[] {
    return this.#serial.lines;
  }

  /** Called when the guest has restarted or crashed its machine, which stands still then. */
  onRestart(listener: () => void): void {
    this.#restarted = listener;
  }

  /** How the emulator gives the thread away between two turns: `again` after so many milliseconds. v86's own way makes a
   * worker from a blob, which a strict content security policy forbids. */
  pace(later: (delayMs: number, again: () => void) => void): void {
    const { v86 } = { v86: this.#internals };
    v86.yield = (delayMs, tick) => later(delayMs, () => v86.yield_callback(tick));
  }
}

const LINES_KEPT = 200;
const LINE_MAX = 400;

/** Text that comes a byte at a time, by lines. */
class SerialLines {
  readonly lines: string[] = [];
  #bytes: number[] = [];

  take(byte: number): void {
    if (byte !== 10 && this.#bytes.length < LINE_MAX) {
      if (byte !== 13) this.#bytes.push(byte);
      return;
    }
    this.lines.push(new TextDecoder().decode(Uint8Array.from(this.#bytes)));
    this.#bytes = [];
    if (this.lines.length > LINES_KEPT) this.lines.shift();
  }
}
