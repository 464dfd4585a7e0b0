// What a browser is told when there is nothing to show: a page without anything that runs.
import type { ServerResponse } from 'node:http';

const headers: Record<string, string> = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
  'cache-control': 'no-store',
};

/** Why there is nothing, with the next step. */
export interface Refusal {
  status: number;
  title: string;
  text: string;
  retryAfter?: number | undefined;
}

/** Answers with a page for a person and with two lines for a program. */
export function refuse(response: ServerResponse, accept: string | undefined, refusal: Refusal): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, title, text, retryAfter } = refusal;
  const html = accept?.includes('text/html') ?? false;
  const body = html ? page(title, text) : `${title}\n${text}\n`;
  response.writeHead(status, {
    ...headers,
    'content-type': `text/${html ? 'html' : 'plain'}; charset=utf-8`,
    'content-length': String(Buffer.byteLength(body)),
    ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
  });
  response.end(body);
}

function page(title: string, text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${inert(title)}</title>
<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}
h1{font-size:1.25rem}</style>
<h1>${inert(title)}</h1><p>${inert(text)}</p></html>`;
}

function inert(text: string): string {
  return text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
