// Which Host and Origin headers are ours. A page of somebody else's must not reach the API with a learner's cookie: not
// by its own origin, and not by a name that it made to point here (DNS rebinding).
import { isIP } from 'node:net';
import { hostname } from 'node:os';

export interface OriginOptions {
  /** The address that is listened on. */
  address: string;
  port: number;
  /** Further origins under which browsers reach the site, such as https://bulkhead.example.org behind a proxy. */
  publicUrls: readonly string[];
}

export class Origins {
  readonly #names: readonly string[];
  readonly #origins: ReadonlySet<string>;
  readonly #publicHosts: ReadonlySet<string>;
  readonly #anyAddress: boolean;
  #port: number;

  constructor({ address, port, publicUrls }: OriginOptions) {
    const origins = publicUrls.map((url) => new URL(url).origin);
    this.#names = ['localhost', '127.0.0.1', '[::1]', hostname().toLowerCase(), bracketed(address)];
    this.#origins = new Set(origins);
    this.#publicHosts = new Set(origins.map((origin) => new URL(origin).host));
    this.#anyAddress = address === '0.0.0.0' || address === '::';
    this.#port = port;
  }

  /** The port that was given when 0 was asked for. */
  listenOn(port: number): void {
    this.#port = port;
  }

  /** Whether a Host header names this server. */
  isOurHost(host: string | undefined): boolean {
    return host !== undefined && (this.isPublicHost(host) || this.isOwnName(host, this.#port));
  }

  /** Whether a Host header is one that the operator has named. */
  isPublicHost(host: string | undefined): boolean {
    return host !== undefined && this.#publicHosts.has(host.toLowerCase());
  }

  /** Whether a Host header is this machine's own name or address, at this port. */
  isOwnName(host: string, wanted: number): boolean {
    const [, name = '', port = '80'] = /^(.*?)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
    return port === String(wanted) && (this.#names.includes(name) || (this.#anyAddress && isAddress(name)));
  }

  /** Whether a request with these headers was made by a page of this server's own. A missing Origin is not: every
   * browser sends it with a WebSocket upgrade and with anything but GET and HEAD. */
  isOurPage(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined || host === undefined || !this.isOurHost(host)) return false;
    if (origin === `http://${host.toLowerCase()}`) return true;
    return this.#origins.has(origin) && new URL(origin).host === host.toLowerCase();
  }

  /** Whether cookies for this Host travel over TLS only. */
  isSecure(host: string | undefined): boolean {
    return this.#origins.has(`https://${host?.toLowerCase()}`);
  }
}

/** An address instead of a name cannot be rebound, so where every address is listened on, any will do. */
function isAddress(name: string): boolean {
  return isIP(name.startsWith('[') ? name.slice(1, -1) : name) !== 0;
}

function bracketed(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address;
}
