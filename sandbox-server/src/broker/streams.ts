// Unix sockets as the protocol's byte streams.
import { createConnection, type Socket } from 'node:net';
import type { ByteDuplex, ByteHandlers } from '../protocol/bytes.ts';
import { BrokerError } from './client.ts';

/** Connects to a Unix socket. Rejects with BrokerError: `not_found` when nobody listens there. */
export function connectUnix(path: string, what: string): Promise<ByteDuplex> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    socket.once('connect', () => {
      socket.off('error', refuse);
      resolve(new SocketStream(socket, what));
    });
    const refuse = (error: NodeJS.ErrnoException) => {
      const gone = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
      // Without the path, which Node's own words have: this is told to strangers.
      reject(new BrokerError(gone ? 'not_found' : 'unavailable', `${what}: ${error.syscall} ${error.code}`));
    };
    socket.once('error', refuse);
  });
}

class SocketStream implements ByteDuplex {
  readonly #socket: Socket;
  readonly #what: string;
  #reason: string | null = null;

  constructor(socket: Socket, what: string) {
    this.#socket = socket;
    this.#what = what;
    // Between `connect` and `open` an error would otherwise have no listener and end the server.
    socket.on('error', (error) => {
      this.#reason ??= `${what}: ${error.message}`;
    });
  }

  open(handlers: ByteHandlers): void {
    const ended = () => handlers.closed(this.#reason ?? `${this.#what} was closed`);
    if (this.#socket.closed) {
      ended();
      return;
    }
    this.#socket.on('drain', () => handlers.drained?.());
    this.#socket.on('close', ended);
    this.#socket.on('data', (bytes) => handlers.data(bytes));
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.destroyed || this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(reason: string): void {
    this.#reason ??= reason;
    this.#socket.destroy();
  }
}
