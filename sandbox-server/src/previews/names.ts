// Under which names previews are reached, and what a Host header of theirs means. A preview has an origin of its own, so
// that the browser keeps it from the site; where there is no name for each, a port beside the site's is shared by all.
import type { Origins } from '../http/origins.ts';
import { Problem } from '../problem.ts';

/** A browser looks up every name below localhost itself, and finds this machine (RFC 6761). */
const LOCAL = 'preview.localhost';
const local: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** What a Host header says. */
export interface Place {
  /** As pages there see it. */
  origin: string;
  /** The label in the name; null where one name is for all, and a cookie says which. */
  label: string | null;
}

export class PreviewNames {
  readonly #origins: Origins;
  /** The operator's: with `*.` before the host name, or one origin for all. */
  readonly #url: URL | null;
  readonly #wildcard: boolean;
  #port: number | null = null;

  constructor(origins: Origins, previewUrl: string) {
    this.#origins = origins;
    this.#wildcard = /^https?:\/\/\*\./.test(previewUrl);
    this.#url = previewUrl === '' ? null : new URL(previewUrl.replace('://*.', '://'));
  }

  /** Previews are served at this port of the server's own. */
  listenOn(port: number): void {
    this.#port = port;
  }

  /** The origin of a preview for a browser that has the site under `host`. Throws Problem `unsupported`, with what the
   * operator can do, when there is none. */
  originFor(host: string | undefined, label: string): string {
    if (this.#port === null) {
      throw new Problem('unsupported', 'Previews are off here: start the server with --preview-port.');
    }
    const name = (host ?? '').toLowerCase().replace(/:\d+$/, '');
    if (this.#origins.isPublicHost(host)) {
      if (this.#url) return this.#wildcard ? this.#below(this.#url, label) : this.#url.origin;
      const next =
        'give the server a name for them with --preview-url, such as https://*.preview.example.org';
      throw new Problem('unsupported', `Under ${name} there is no name for previews: ${next}.`);
    }
    if (local.has(name)) return `http://${label}.${LOCAL}:${this.#port}`;
    return `http://${name}:${this.#port}`;
  }

  /** What this Host is; null: none of ours. */
  read(host: string | undefined): Place | null {
    const lower = host?.toLowerCase() ?? '';
    const [, label, rest] = /^([a-z0-9-]{1,63})\.(.+)$/.exec(lower) ?? [];
    if (label !== undefined && rest === `${LOCAL}:${this.#port}`) return { origin: `http://${lower}`, label };
    if (this.#url && this.#wildcard && label !== undefined && rest === this.#url.host) {
      return { origin: this.#below(this.#url, label), label };
    }
    if (this.#url && !this.#wildcard && lower === this.#url.host) {
      return { origin: this.#url.origin, label: null };
    }
    if (this.#port === null || !this.#origins.isOwnName(lower, this.#port)) return null;
    // What this machine itself calls localhost has names below it; only others need to share.
    return local.has(lower.replace(/:\d+$/, '')) ? null : { origin: `http://${lower}`, label: null };
  }

  #below(url: URL, label: string): string {
    return `${url.protocol}//${label}.${url.host}`;
  }
}
