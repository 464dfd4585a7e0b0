import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { decodeFrame, encodeFrame, type Frame } from '@bulkhead/sandbox-server/protocol/frames';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws';
import { TerminalSession, type TerminalState } from './terminal-session.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

/** A sink that draws only when told to, so that a test decides what has been parsed. */
class Paper {
  drawn = '';
  size = [0, 0];
  resets = 0;
  /** Whether each piece was drawn while the session said that it was a replay. */
  pieces: { text: string; replay: boolean }[] = [];
  session: TerminalSession | undefined;
  #pending: (() => void)[] = [];
  held = false;

  write(piece: Uint8Array, done: () => void): void {
    this.#pending.push(() => {
      this.drawn += text(piece);
      this.pieces.push({ text: text(piece), replay: this.session?.replaying ?? false });
      done();
    });
    if (!this.held) this.draw();
  }

  draw(): void {
    for (const next of this.#pending.splice(0)) next();
  }

  reset(): void {
    this.resets++;
    this.drawn = '';
  }

  resize(columns: number, rows: number): void {
    this.size = [columns, rows];
  }
}

/** The monitor's side of one connection: frames arrive in order and can be awaited. */
class Peer {
  readonly #frames: Frame[] = [];
  readonly #waiting: ((frame: Frame) => void)[] = [];
  readonly socket: ServerSocket;

  constructor(socket: ServerSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      const frame = decodeFrame(new Uint8Array(data));
      const next = this.#waiting.shift();
      if (next) next(frame);
      else this.#frames.push(frame);
    });
  }

  frame(): Promise<Frame> {
    const frame = this.#frames.shift();
    return frame ? Promise.resolve(frame) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(...frames: Frame[]): void {
    for (const frame of frames) this.socket.send(encodeFrame(frame));
  }
}

const welcome = (over: Partial<Extract<Frame, { type: 'welcome' }>> = {}): Frame => ({
  type: 'welcome',
  version: 1,
  lost: false,
  start: 0,
  live: 0,
  columns: 80,
  rows: 24,
  inputCredit: 1024,
  ...over,
});

let server: WebSocketServer;
let paper: Paper;
let session: TerminalSession;

async function peer(): Promise<Peer> {
  const [socket] = (await once(server, 'connection')) as [ServerSocket];
  return new Peer(socket);
}

function reach(phase: TerminalState['phase']): Promise<TerminalState> {
  return new Promise((resolve) => {
    const leave = session.subscribe((state) => {
      if (state.phase === phase)
        queueMicrotask(() => {
          leave();
          resolve(state);
        });
    });
  });
}

async function attached(...frames: Frame[]): Promise<Peer> {
  const coming = peer();
  session.open();
  const there = await coming;
  await there.frame();
  const open = reach('open');
  there.send(...frames);
  await open;
  return there;
}

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  paper = new Paper();
  const { port } = server.address() as AddressInfo;
  session = new TerminalSession(paper, { url: `ws://127.0.0.1:${port}/`, delay: () => 1 });
  paper.session = session;
});

afterEach(async () => {
  session.dispose();
  for (const client of server.clients) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});

describe('a terminal', () => {
  it('asks for everything, with the size that it would like, when it is new', async () => {
    const coming = peer();
    session.resize(100, 30);
    session.open();
    expect(await (await coming).frame()).toEqual({
      type: 'attach',
      version: 1,
      offset: 0,
      credit: 262_144,
      columns: 100,
      rows: 30,
    });
  });

  it('tells its size also when that became known only after it had attached', async () => {
    const coming = peer();
    session.open();
    const there = await coming;
    expect(await there.frame()).toMatchObject({ type: 'attach', columns: 0, rows: 0 });
    session.resize(72, 20);
    there.send(welcome());
    expect(await there.frame()).toEqual({ type: 'resize', columns: 72, rows: 20 });
  });

  it('draws output and takes the size in force', async () => {
    const there = await attached(welcome({ columns: 72, rows: 20 }));
    there.send({ type: 'output', offset: 0, bytes: bytes('$ ') });
    expect(await there.frame()).toEqual({ type: 'credit', bytes: 2 });
    expect(paper.drawn).toBe('$ ');
    expect(paper.size).toEqual([72, 20]);
  });

  it('grants credit only for what has been drawn', async () => {
    paper.held = true;
    const there = await attached(welcome());
    there.send({ type: 'output', offset: 0, bytes: new Uint8Array(50_000) });
    session.resize(90, 25);
    // The resize arrives first: no credit was granted while nothing had been drawn.
    expect((await there.frame()).type).toBe('resize');
    paper.draw();
    expect(await there.frame()).toEqual({ type: 'credit', bytes: 50_000 });
  });

  it('comes back where it was after the connection broke: nothing lost, nothing twice', async () => {
    const there = await attached(welcome());
    there.send({ type: 'output', offset: 0, bytes: bytes('one ') });
    await there.frame();
    const coming = peer();
    there.socket.close(4000);
    const again = await coming;
    expect(await again.frame()).toMatchObject({ type: 'attach', offset: 4 });
    again.send(welcome({ start: 4, live: 8 }), { type: 'output', offset: 4, bytes: bytes('two three') });
    await again.frame();
    expect(paper.drawn).toBe('one two three');
    expect(paper.resets).toBe(0);
  });

  it('clears the screen when the ring no longer holds what it missed', async () => {
    const there = await attached(welcome());
    there.send({ type: 'output', offset: 0, bytes: bytes('old') });
    await there.frame();
    there.send(welcome({ lost: true, start: 900, live: 903 }), {
      type: 'output',
      offset: 900,
      bytes: bytes('new'),
    });
    await there.frame();
    expect(paper.resets).toBe(1);
    expect(paper.drawn).toBe('new');
  });

  it('knows the past from the present, even within one frame', async () => {
    const there = await attached(welcome({ live: 4 }));
    there.send({ type: 'output', offset: 0, bytes: bytes('past now') });
    await there.frame();
    expect(paper.pieces).toEqual([
      { text: 'past', replay: true },
      { text: ' now', replay: false },
    ]);
  });

  it('sends what was typed in order, and no more than the program can take', async () => {
    const there = await attached(welcome({ inputCredit: 5 }));
    session.type(bytes('abc'));
    session.type(bytes('defgh'));
    expect(text(((await there.frame()) as { bytes: Uint8Array }).bytes)).toBe('abc');
    expect(text(((await there.frame()) as { bytes: Uint8Array }).bytes)).toBe('de');
    there.send({ type: 'inputCredit', bytes: 100 });
    expect(text(((await there.frame()) as { bytes: Uint8Array }).bytes)).toBe('fgh');
  });

  it('keeps what is typed while the connection is away', async () => {
    const there = await attached(welcome());
    const away = reach('waiting');
    const coming = peer();
    there.socket.close(1001);
    await away;
    session.type(bytes('ls\r'));
    const again = await coming;
    await again.frame();
    again.send(welcome());
    expect(text(((await again.frame()) as { bytes: Uint8Array }).bytes)).toBe('ls\r');
  });

  it('knows who else is there, and types nothing while it only watches, also after the connection broke', async () => {
    const company = [
      { as: 'learner', name: 'Anna', types: true, you: false },
      { as: 'instructor', name: 'ada', types: false, you: true },
    ] as const;
    const told: Frame = { type: 'viewers', viewers: company };
    const there = await attached(told, welcome());
    expect(session.state).toMatchObject({ phase: 'open', company });
    session.type(bytes('rm -rf /'));
    const away = reach('waiting');
    const coming = peer();
    there.socket.close(1001);
    await away;
    session.type(bytes('rm -rf /'));
    const again = await coming;
    await again.frame();
    again.send(welcome());
    session.resize(90, 25);
    expect((await again.frame()).type, 'nothing was typed before it').toBe('resize');
    again.send({ type: 'viewers', viewers: [{ ...company[1], types: true }] });
    await expect.poll(() => session.watching).toBe(false);
    session.type(bytes('ls'));
    expect(await again.frame()).toEqual({ type: 'input', bytes: bytes('ls') });
  });

  it('does not come back when it may not be here any more', async () => {
    const there = await attached(welcome());
    there.socket.close(4403, 'you may not see this terminal any more');
    expect(await reach('gone')).toEqual({ phase: 'gone', reason: 'you may not see this terminal any more' });
  });

  it('ends with its program and does not call again', async () => {
    const there = await attached(welcome());
    there.send({ type: 'exit', by: 'killed', status: 9 });
    expect(await reach('exited')).toEqual({ phase: 'exited', by: 'killed', status: 9 });
    const closed = once(there.socket, 'close');
    there.socket.close(1000);
    await closed;
    session.open();
    expect(session.state.phase).toBe('exited');
  });

  it('says so when the terminal is gone', async () => {
    const there = await attached(welcome());
    there.socket.close(4404, 'the sandbox was ended');
    expect(await reach('gone')).toEqual({ phase: 'gone', reason: 'the sandbox was ended' });
  });
});
