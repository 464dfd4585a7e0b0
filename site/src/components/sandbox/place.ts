// Where machines run, as a page sees it: a place answers the requests of the API (docs/protocol.md), tells its events and
// carries terminals. sandbox-server is one, the Linux in this tab another; a component does not know which it has.
import type { TabOffer, TabState } from '../../tab/door.ts';
import type { Aside } from '../../tab/tab-machine.ts';
import type { SocketLike } from '../terminal/terminal-session.ts';
import { type RequestOptions, request } from './api.ts';

/** The part of EventSource that is used. */
export interface EventsLike {
  readonly readyState: number;
  readonly CLOSED: number;
  onopen: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  addEventListener(event: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface Place {
  readonly name: 'server' | 'tab';
  /** Asks the API: the answer's JSON, undefined for none. Throws RequestFailed. */
  ask<T>(path: string, options?: RequestOptions): Promise<T>;
  /** The events at an address. */
  listen(path: string): EventsLike;
  /** Attaches to a terminal at a ws: or wss: address. */
  connect(url: string): SocketLike;
}

export const serverPlace: Place = {
  name: 'server',
  ask: request,
  listen: (path) => new EventSource(path) as EventsLike,
  connect: (url) => new WebSocket(url) as SocketLike,
};

/** This tab as a place: besides, it can be watched while it is fetched and restored. */
export interface TabPlace extends Place {
  readonly name: 'tab';
  subscribe(listener: (state: TabState) => void): () => void;
  /** Told what the reader should know though the machine goes on: that nothing can be saved here, say. At once, and whenever that
   * changes; null while there is nothing. */
  hear(listener: (sentences: string | null) => void): () => void;
  /** Has the whole disk fetched and kept, for use without a network; told how that goes, until what this returns is called. */
  keepWhole(told: (aside: Aside) => void): () => void;
  /** Stops its machines, and a download that is under way. */
  stop(): void;
}

/** The way to it, for a page that has no server: all that is known before anything is fetched. */
export interface TabDoor {
  offer(): Promise<TabOffer>;
  /** The reader agrees to what the offer says; it is remembered. */
  agree(): void;
  open(): Promise<TabPlace>;
  /** Has the code of `open` fetched, so that it does not wait for that. */
  prepare(): void;
  /** Deletes what was left on this device. */
  forget(): Promise<void>;
}

/** Fetched only by pages that found no server, or one without room. */
export const tabDoor: TabDoor = {
  offer: async () => (await import('../../tab/door.ts')).offer(),
  agree: () => void import('../../tab/door.ts').then(({ agree }) => agree()),
  open: async () => (await import('../../tab/door.ts')).open(),
  prepare: () => void import('../../tab/place.ts').catch(() => {}),
  forget: async () => (await import('../../tab/door.ts')).forget(),
};
