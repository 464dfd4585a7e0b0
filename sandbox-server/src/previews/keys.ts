// The name of a preview, and what lets a browser in to it. All of it follows from the server's secret, so that previews go
// on when the server is started again, and nothing of it can be guessed or turned into anything of the site's.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { machineNameSchema } from '../protocol/api.ts';

/** A ticket is for the next click, not for a bookmark. */
const TICKET_MS = 60_000;
/** A preview is gone with its sandbox; this is for a browser that is never closed. */
const PASS_MS = 12 * 60 * 60_000;
const KEY_LENGTH = 24;
const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** What a preview shows. */
export interface PreviewTarget {
  sandbox: string;
  machine: string;
  port: number;
}

export class PreviewKeys {
  readonly #secret: Buffer;
  readonly #now: () => number;
  /** Tickets that were used, until nobody could use them anyhow. */
  readonly #used = new Map<string, number>();
  readonly #keys = new Map<string, string>();

  constructor(secret: Buffer, now: () => number = Date.now) {
    this.#secret = createHmac('sha256', secret).update('previews').digest();
    this.#now = now;
  }

  /** The label of a host name: PORT-KEY-MACHINE. The key stands for the sandbox, whose id it does not tell. */
  label({ sandbox, machine, port }: PreviewTarget): string {
    return `${port}-${this.#keyOf(sandbox)}-${machine}`;
  }

  /** What a label is of, among these sandboxes; null: of nothing here. */
  target(label: string, sandboxes: Iterable<{ readonly id: string }>): PreviewTarget | null {
    const [, port = '', key = '', machine = ''] = /^([1-9]\d{0,4})-([a-z2-7]{24})-(.+)$/.exec(label) ?? [];
    if (Number(port) < 1 || Number(port) > 65_535 || !machineNameSchema.safeParse(machine).success)
      return null;
    for (const { id } of sandboxes) {
      if (same(this.#keyOf(id), key)) return { sandbox: id, machine, port: Number(port) };
    }
    return null;
  }

  /** Lets a browser in once, within a minute: what goes through an address is seen by histories and logs. */
  ticket(label: string): { ticket: string; expiresAt: number } {
    const expiresAt = this.#now() + TICKET_MS;
    const text = `${label}~${expiresAt}~${randomBytes(12).toString('base64url')}`;
    return { ticket: this.#seal('ticket', text), expiresAt };
  }

  /** The label that a ticket is for, which is then used; null for one that is forged, late or used. */
  redeem(ticket: string): string | null {
    const text = this.#open('ticket', ticket);
    const now = this.#now();
    for (const [used, expiresAt] of this.#used) if (expiresAt < now) this.#used.delete(used);
    if (text === null || this.#used.has(text)) return null;
    const [label = '', expiresAt = '0'] = text.split('~');
    if (Number(expiresAt) < now) return null;
    this.#used.set(text, Number(expiresAt));
    return label;
  }

  /** What a browser shows from then on, in a cookie of the preview's own. */
  pass(label: string): { pass: string; maxAgeSeconds: number } {
    return {
      pass: this.#seal('pass', `${label}~${this.#now() + PASS_MS}`),
      maxAgeSeconds: PASS_MS / 1_000,
    };
  }

  /** The label that a pass is for; null for one that is forged or late. */
  admits(pass: string): string | null {
    const [label = '', expiresAt = '0'] = this.#open('pass', pass)?.split('~') ?? [];
    return Number(expiresAt) >= this.#now() ? label : null;
  }

  #keyOf(sandbox: string): string {
    let key = this.#keys.get(sandbox);
    if (key === undefined) {
      const digest = createHmac('sha256', this.#secret).update(`sandbox ${sandbox}`).digest();
      key = Array.from(digest.subarray(0, KEY_LENGTH), (byte) => base32[byte & 31]).join('');
      if (this.#keys.size > 10_000) this.#keys.clear(); // of sandboxes that are long gone, most of them
      this.#keys.set(sandbox, key);
    }
    return key;
  }

  #seal(what: string, text: string): string {
    return `${text}~${this.#mac(what, text)}`;
  }

  #open(what: string, sealed: string): string | null {
    const at = sealed.lastIndexOf('~');
    const text = sealed.slice(0, Math.max(at, 0));
    return same(this.#mac(what, text), sealed.slice(at + 1)) ? text : null;
  }

  #mac(what: string, text: string): string {
    return createHmac('sha256', this.#secret).update(`${what} ${text}`).digest('base64url');
  }
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
