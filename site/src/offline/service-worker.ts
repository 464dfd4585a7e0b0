// The site without a network: what was read is kept, and all of it when the reader asks for that (keep.ts). The build takes the
// types off this file and writes the two constants before it (integration.ts). What machines consist of is not its business
// (tab/shelf.ts), and what a server says is never kept.

/** Of everything that was built. */
declare const VERSION: string;
/** Every page and file that the site is worth having, from where it begins. */
declare const FILES: readonly string[];

interface Event {
  waitUntil(promise: Promise<unknown>): void;
}
interface Scope {
  registration: { scope: string };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: Event) => void): void;
  addEventListener(
    type: 'fetch',
    listener: (event: Event & { request: Request; respondWith(answer: Promise<Response>): void }) => void,
  ): void;
  addEventListener(
    type: 'message',
    listener: (event: Event & { data: unknown; ports: readonly MessagePort[] }) => void,
  ): void;
}
const scope = globalThis as unknown as Scope;

const PREFIX = 'bulkhead-site-';
const CACHE = PREFIX + VERSION;
/** Is in a cache that is to have every file: the next version then fetches all of its own. */
const WHOLE = 'whole';
/** A page waits so long for a network that does not answer, if it has the page from before. */
const PATIENCE_MS = 4_000;
const AT_ONCE = 4;
/** A file that takes longer is one that could not be had. */
const FILE_MS = 60_000;

/** These change with every answer, are somebody's own, or are kept elsewhere. */
const NEVER = /^(api|linux)(\/|$)|^(healthz|readyz|metrics)$/;
/** Named for their content by the build: they never change. */
const HASHED = /^assets\/.*\.[\w-]{8}\.\w+$/;

const addressOf = (file: string): string => new URL(file, scope.registration.scope).href;
/** The way from where the site begins, or null for what is not the site's. */
const fileOf = ({ url }: { url: string }): string | null =>
  url.startsWith(scope.registration.scope)
    ? (url.slice(scope.registration.scope.length).split(/[?#]/, 1)[0] ?? '')
    : null;

const found = (request: Request | string): Promise<Response | undefined> =>
  caches.match(request, { ignoreVary: true, ignoreSearch: true });

/** Keeps an answer if it is one that can be given again. */
const keep = async (request: Request | string, answer: Response): Promise<boolean> =>
  answer.ok && !answer.redirected && answer.type === 'basic' && (await put(request, answer));

/** A browser that has no room keeps nothing and goes on. */
async function put(request: Request | string, answer: Response): Promise<boolean> {
  try {
    await (await caches.open(CACHE)).put(request, answer);
    return true;
  } catch {
    return false;
  }
}

async function everKept(event: Event & { request: Request }): Promise<Response> {
  const kept = await found(event.request);
  if (kept) return kept;
  const answer = await fetch(event.request);
  event.waitUntil(keep(event.request, answer.clone()));
  return answer;
}

/** What the network says; without one, or when it takes its time, what it said the last time. */
async function fresh(event: Event & { request: Request }): Promise<Response> {
  const { request } = event;
  const kept = found(request);
  const asked = fetch(request).then((answer) => {
    event.waitUntil(keep(request, answer.clone()));
    return answer;
  });
  const patience = new Promise<Response>((resolve, reject) => {
    setTimeout(() => kept.then((answer) => answer && resolve(answer), reject), PATIENCE_MS);
  });
  try {
    const answer = await Promise.race([asked, patience]);
    // A proxy whose server is away has nothing to say that is better than the page.
    return answer.status >= 502 && answer.status <= 504 ? ((await kept) ?? answer) : answer;
  } catch (error) {
    const answer = await kept;
    if (answer) return answer;
    if (request.mode === 'navigate') return notHere();
    throw error;
  }
}

const notHere = (): Response =>
  new Response(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Not in this browser · Bulkhead</title><h1>There is no network, and this page is not in this browser</h1>
<p>What you have read before is: <a href="${scope.registration.scope}">begin at the start</a>.</p></html>`,
    {
      status: 503,
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'",
      },
    },
  );

/** Fetches and keeps these; resolves to whether all are kept by then. */
async function keepThese(urls: readonly string[]): Promise<boolean> {
  const cache = await caches.open(CACHE);
  let all = true;
  const next = urls[Symbol.iterator]();
  const work = async () => {
    for (const url of next) {
      const file = fileOf({ url });
      if (file === null || NEVER.test(file)) continue;
      // A page may have changed where a file that is named for its content cannot have.
      if (HASHED.test(file) && (await cache.match(url, { ignoreVary: true }))) continue;
      const kept = await fetch(url, { cache: 'no-cache', signal: AbortSignal.timeout(FILE_MS) }).then(
        (answer) => keep(url, answer),
        () => false,
      );
      all &&= kept;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return all;
}

const keepWhole = async (): Promise<boolean> =>
  (await keepThese(FILES.map(addressOf))) && (await put(addressOf(WHOLE), new Response('yes')));

scope.addEventListener('install', (event) => {
  void scope.skipWaiting();
  event.waitUntil(
    found(addressOf(WHOLE)).then((whole) => {
      if (whole) return keepWhole();
      return undefined;
    }),
  );
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(
    caches.keys().then((names) => {
      const ours = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
      // A page of the version before may still be open, and ask for its own files.
      return Promise.all(ours.slice(0, -1).map((name) => caches.delete(name)));
    }),
  );
});

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const file = fileOf(request);
  if (request.method !== 'GET' || file === null || NEVER.test(file) || request.cache === 'no-store') return;
  if (request.headers.has('range')) return;
  event.respondWith(HASHED.test(file) ? everKept(event) : fresh(event));
});

scope.addEventListener('message', (event) => {
  const { data, ports } = event;
  const { keep: what } = data as { keep?: 'whole' | readonly string[] };
  if (what === undefined) return;
  const done = what === 'whole' ? keepWhole() : keepThese(what);
  event.waitUntil(
    done.then(
      (kept) => ports[0]?.postMessage(kept),
      () => ports[0]?.postMessage(false),
    ),
  );
});
