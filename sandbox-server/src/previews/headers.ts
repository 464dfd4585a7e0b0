// What passes between a browser and a program in a machine, and what does not: nothing of the site's in, nothing that
// would reach beyond the preview out, and nothing that belongs to one connection only (RFC 9110, 7.6.1).
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Place } from './names.ts';

/** Any of them may come more than once, which Node's types do not think of. */
type Fields = Record<string, string | string[]>;

export const PASS_COOKIE = 'bulkhead-preview';

const connectionOnly: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Said by whoever stands before this server, or by us. */
const aboutTheWay = /^(forwarded|via|x-forwarded-.*|x-real-ip|expect|host)$/;
/** What speaks for more than one origin: clearing or setting cookies of a whole domain, demanding TLS of it, sending the
 * browser's reports or requests elsewhere. */
const beyondTheOrigin: ReadonlySet<string> = new Set([
  'alt-svc',
  'clear-site-data',
  'expect-ct',
  'nel',
  'public-key-pins',
  'report-to',
  'reporting-endpoints',
  'set-login',
  'strict-transport-security',
]);
/** The names that the site, and previews, have for their own cookies. */
const ours = /^(__(host|secure)-)?bulkhead/i;

/** Headers for the program in the machine, to whom it is as if its own machine's browser asked. */
export function towardsMachine(request: IncomingMessage, place: Place, port: number): OutgoingHttpHeaders {
  const inside = `http://localhost:${port}`;
  const headers: Fields = {};
  for (const [name, values = []] of Object.entries(passing(request))) {
    if (!aboutTheWay.test(name)) headers[name] = values;
  }
  const cookies = othersCookies(request.headers.cookie);
  if (cookies === '') delete headers.cookie;
  else headers.cookie = cookies;
  const { origin, referer } = request.headers;
  if (origin === place.origin) headers.origin = inside;
  if (referer?.startsWith(`${place.origin}/`)) headers.referer = inside + referer.slice(place.origin.length);
  headers.host = `localhost:${port}`;
  headers['x-forwarded-host'] = new URL(place.origin).host;
  headers['x-forwarded-proto'] = new URL(place.origin).protocol.slice(0, -1);
  return headers as OutgoingHttpHeaders;
}

/** Headers for the browser. */
export function towardsBrowser(response: IncomingMessage, place: Place, port: number): OutgoingHttpHeaders {
  const headers: Fields = {};
  for (const [name, values = []] of Object.entries(passing(response))) {
    if (!beyondTheOrigin.has(name)) headers[name] = values;
  }
  const cookies = (response.headers['set-cookie'] ?? []).map(ownCookie).filter((one) => one !== null);
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  else delete headers['set-cookie'];
  const { location } = response.headers;
  if (location !== undefined) headers.location = outside(location, place, port);
  return { ...headers, ...apart(response.headers) } as OutgoingHttpHeaders;
}

/** Keeps what is shown here from whoever would frame it, embed it or hold on to its window, and its name from others'
 * logs. A second policy beside the page's own can only forbid more. */
function apart(said: IncomingHttpHeaders): Fields {
  const policy = [said['content-security-policy'], "frame-ancestors 'self'"].filter(
    (one) => one !== undefined,
  );
  return {
    'content-security-policy': policy.flat(),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'origin-agent-cluster': '?1',
    'referrer-policy': said['referrer-policy'] ?? 'same-origin',
    'x-robots-tag': 'noindex',
  };
}

function passing({ headersDistinct, headers }: IncomingMessage): NodeJS.Dict<string[]> {
  const named = (headers.connection ?? '').split(',').map((one) => one.trim().toLowerCase());
  const left = new Set([...connectionOnly, ...named]);
  return Object.fromEntries(Object.entries(headersDistinct).filter(([name]) => !left.has(name)));
}

/** The value of the preview's own cookie. More than one of it, and somebody has planted one: then none counts. */
export function passOf(cookie: string | undefined, name: string): string | null {
  const values = cookiesOf(cookie)
    .filter(([one]) => one === name)
    .map(([, value]) => value);
  return values.length === 1 ? (values[0] ?? null) : null;
}

function othersCookies(cookie: string | undefined): string {
  return cookiesOf(cookie)
    .filter(([name]) => !ours.test(name))
    .map(([name, value]) => (value === null ? name : `${name}=${value}`))
    .join('; ');
}

function cookiesOf(cookie: string | undefined): [string, string | null][] {
  return (cookie ?? '')
    .split(';')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const at = one.indexOf('=');
      return at === -1 ? [one, null] : [one.slice(0, at).trim(), one.slice(at + 1).trim()];
    });
}

/** A cookie of the program's for this name alone; null for one that takes a name of ours. */
function ownCookie(cookie: string): string | null {
  const [pair = '', ...attributes] = cookie.split(';');
  if (ours.test(pair.split('=', 1)[0]?.trim() ?? '') || !pair.includes('=')) return null;
  return [pair, ...attributes.filter((one) => !/^\s*domain\s*(=|$)/i.test(one))].join(';');
}

/** A program that knows itself as localhost sends browsers there. */
function outside(location: string, place: Place, port: number): string {
  const inside = new RegExp(`^https?://(?:localhost|127\\.0\\.0\\.1|\\[::1\\]):${port}(?=[/?#]|$)`, 'i');
  return location.replace(inside, place.origin);
}
