// What a browser is told it may do with our answers: the content security policy and its companions.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Sent with every answer. */
export const securityHeaders: Record<string, string> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/** For answers that are no pages. */
export const apiPolicy = "default-src 'none'; frame-ancestors 'none'";

/** A worker has the policy that its own script came with. The service worker fetches pages and files of this site; the emulator
 * (site/src/tab/worker.ts) does too, and compiles WebAssembly, which no page may; so does the search. */
const workerPolicies: readonly [RegExp, string][] = [
  [/\/sw\.js$/, workerPolicy("script-src 'self'")],
  [/\/assets\/worker\.[\w-]{8}\.js$/, workerPolicy("script-src 'self' 'wasm-unsafe-eval'")],
  [/\/pagefind\/pagefind-worker\.js$/, workerPolicy("script-src 'self' 'wasm-unsafe-eval'")],
];

function workerPolicy(script: string): string {
  return ["default-src 'none'", script, "connect-src 'self'", "frame-ancestors 'none'"].join('; ');
}

/** The policy of a file that is no page. */
export function policyOf(path: string): string {
  return workerPolicies.find(([file]) => file.test(path))?.[1] ?? apiPolicy;
}

/** The policy of a page: its own origin, and the inline scripts that were in it when it was built (by hash), nothing
 * else. Styles may be inline because xterm.js writes its colours and cell sizes into style elements and attributes. */
export function pagePolicy(html: string): string {
  const hashes = [...inlineScripts(html)].map(
    (script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  return [
    "default-src 'none'",
    `script-src ${["'self'", ...new Set(hashes)].join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** The policies of the built pages; a page is read again when it has changed. */
export class PagePolicies {
  readonly #known = new Map<string, { mtimeMs: number; policy: string }>();

  of(path: string, mtimeMs: number): string {
    const known = this.#known.get(path);
    if (known?.mtimeMs === mtimeMs) return known.policy;
    const policy = pagePolicy(readFileSync(path, 'utf8'));
    this.#known.set(path, { mtimeMs, policy });
    return policy;
  }
}

/** The text of scripts without `src`. The HTML is our own build's, so its tags are as Astro writes them. */
function* inlineScripts(html: string): Generator<string> {
  for (const [, attributes = '', text = ''] of html.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/g)) {
    if (!/\ssrc\s*=/.test(attributes)) yield text;
  }
}
