// This tab as a place for machines (components/sandbox/place.ts): the emulators in their workers, the API answered over them,
// what is saved on the device, and sleep while nobody looks.

import type { Lab } from '@bulkhead/sandbox-server/labs/lab';
import type { SandboxEvent } from '@bulkhead/sandbox-server/protocol';
import { RequestFailed, type RequestOptions } from '../components/sandbox/api.ts';
import type { EventsLike, TabPlace } from '../components/sandbox/place.ts';
import { siteAddress } from '../site-address.ts';
import { language } from '../words/words.ts';
import { AttachSocket } from './attach-socket.ts';
import { onLowBattery } from './device.ts';
import { GivenUp, Ground } from './ground.ts';
import type { TabImage } from './image.ts';
import { Keeper } from './keeper.ts';
import { Remarks } from './remarks.ts';
import { ANOTHER_IMAGE, NOTHING_SAVED, saved } from './saved.ts';
import { TabMachine, type TabState, type WorkerLike } from './tab-machine.ts';
import { refusalOf, type SavedSandbox, TabServer } from './tab-server.ts';
import { say } from './words.ts';

/** What is saved beside the memory of the machines. */
export interface SavedPage {
  /** The image's. */
  content: string;
  sandboxes: SavedSandbox[];
}

export interface PlaceOptions {
  base: string;
  image: TabImage;
  noSecond: string | null;
}

/** It says what it says in the language that is its name. */
const makeWorker = () =>
  new Worker(new URL('./worker.ts', import.meta.url), {
    type: 'module',
    name: language,
  }) as unknown as WorkerLike;

export async function openPlace({
  base,
  image,
  noSecond,
}: PlaceOptions): Promise<TabPlace & { forget(): void }> {
  const first = new TabMachine(makeWorker);
  const second = new TabMachine(makeWorker);
  // Two tabs that go on from the same memory would each save over the other.
  const lock = await takeLock('bulkhead-tab');
  const saves = lock === 'ours';
  const left = saves ? await saved<SavedPage>('sandboxes') : undefined;
  const usable = left?.content === image.content;
  const ground = new Ground({ first, second, image, base, noSecond, saves });
  const server = new TabServer({
    ground,
    lab: fetchLab,
    saved: usable ? left.sandboxes : [],
    onchange: () => keeper.touch(),
    seen: () => !document.hidden,
  });
  const remarks = new Remarks();
  const keeper = new Keeper({
    machines: [first, second],
    page: () => ({ content: image.content, sandboxes: server.saved }),
    saves,
    told: (why) => remarks.say('saving', why),
  });
  if (!saves) remarks.say('saving', lock === 'theirs' ? say('saved.otherTab') : NOTHING_SAVED);
  if (left && !usable) remarks.say('left', ANOTHER_IMAGE);
  for (const { asides } of [first, second])
    asides.add((aside) => {
      if (aside.type === 'notice') remarks.say('notice', aside.message);
    });
  ground.onend = (reason) => server.noteKernelEnd(reason);
  const mindSight = () => {
    // What is hidden may be closed without a further word.
    if (document.hidden) keeper.saveNow();
    else server.noteSeen();
    for (const machine of [first, second]) machine.sleep(document.hidden);
  };
  mindSight(); // a page may be opened in the background
  document.addEventListener('visibilitychange', mindSight);
  void onLowBattery((low) => {
    for (const machine of [first, second]) machine.spare(low);
    remarks.say('battery', low ? say('notice.battery') : null);
  });
  return {
    name: 'tab',
    ask: async <T>(path: string, { method = 'GET', body }: RequestOptions = {}) => {
      try {
        return (await server.answer(method, path, body)) as T;
      } catch (error) {
        throw failureOf(error);
      }
    },
    listen: (path) => new TabEvents((listener) => server.follow(path, listener)),
    connect: (url) => {
      const { pathname } = new URL(url);
      return new AttachSocket(() => server.attach(pathname));
    },
    subscribe: (listener) => first.subscribe((state: TabState) => listener(state)),
    hear: (listener) => remarks.hear(listener),
    keepWhole: (told) => {
      first.asides.add(told);
      first.keepWhole();
      return () => first.asides.delete(told);
    },
    stop: () => first.stop(),
    forget: () => {
      keeper.drop();
      server.forget();
      first.stop();
      second.stop();
    },
  };
}

function failureOf(error: unknown): RequestFailed {
  if (error instanceof GivenUp)
    return new RequestFailed({ code: 'cancelled', message: error.message, retryAt: null });
  const { code, message } = refusalOf(error);
  return new RequestFailed({ code, message, retryAt: null });
}

/** Whose it is; if it is ours, then until the page is gone. `blocked`: this browser has no locks for a site that may keep nothing. */
async function takeLock(name: string): Promise<'ours' | 'theirs' | 'blocked'> {
  const { locks } = navigator;
  if (!locks) return 'ours'; // an old browser, or a page without a secure origin: the last one to save wins
  return await new Promise((resolve) => {
    locks
      .request(name, { ifAvailable: true }, (lock) => {
        resolve(lock ? 'ours' : 'theirs');
        return lock ? new Promise(() => {}) : undefined;
      })
      .catch(() => resolve('blocked'));
  });
}

/** The labs of this site are files of it. */
async function fetchLab(slug: string): Promise<Lab> {
  const answer = await fetch(siteAddress(`/labs/${slug}/lab.json`));
  if (!answer.ok) throw new Error(`There is no lab ${slug} on this site.`);
  return (await answer.json()) as Lab;
}

/** A sandbox's events as an EventSource tells them. */
class TabEvents implements EventsLike {
  readonly CLOSED = 2;
  readyState = 0;
  onopen: EventsLike['onopen'] = null;
  onerror: EventsLike['onerror'] = null;
  readonly #listeners = new Map<string, ((event: MessageEvent<string>) => void)[]>();
  #leave = () => {};

  constructor(follow: (listener: (event: SandboxEvent) => void) => Promise<() => void>) {
    // Not before whoever made this has had the time to listen.
    queueMicrotask(() => void this.#begin(follow));
  }

  addEventListener(event: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  close(): void {
    this.readyState = this.CLOSED;
    this.#leave();
  }

  async #begin(follow: (listener: (event: SandboxEvent) => void) => Promise<() => void>): Promise<void> {
    try {
      const leave = await follow((event) => this.#tell(event));
      this.#leave = leave;
      if (this.readyState === this.CLOSED) return leave();
      this.readyState = 1;
      this.onopen?.(undefined as never);
    } catch {
      this.readyState = this.CLOSED;
      this.onerror?.(undefined as never);
    }
  }

  #tell({ event, data }: SandboxEvent): void {
    if (this.readyState === this.CLOSED) return;
    const message = new MessageEvent(event, { data: JSON.stringify(data) });
    for (const listener of this.#listeners.get(event) ?? []) listener(message);
  }
}
