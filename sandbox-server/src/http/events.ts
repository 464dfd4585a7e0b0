// The events of a sandbox as server-sent events.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Listeners } from '../listeners.ts';
import type { SandboxEvent } from '../protocol/api.ts';
import type { Entry } from './access.ts';
import { apiPolicy, securityHeaders } from './policy.ts';
import { REQUEST_ID_HEADER } from './requests.ts';

/** A comment this often keeps proxies from closing a stream on which nothing happens. */
const HEARTBEAT_MS = 15_000;
/** Bytes that may wait for a page that does not read; it is then cut off and comes back by itself. */
const MOST_WAITING = 262_144;

/** Sends events until the page leaves, the sandbox ends, or whoever follows may no longer see it. `changes` tells when that
 * is to be asked again. `views`: machines whose host's view is wanted too. */
export function streamEvents(
  { sandbox, mayStill }: Entry,
  views: readonly string[],
  changes: Listeners<void>,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  request.goesOn();
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    ...securityHeaders,
    'content-security-policy': apiPolicy,
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no', // nginx would hold events back
    [REQUEST_ID_HEADER]: request.id,
  });
  const write = (text: string) => {
    if (response.writableLength > MOST_WAITING) response.destroy();
    else response.write(text);
  };
  const send = ({ event, data }: SandboxEvent) => {
    write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (event === 'ended') response.end();
  };
  write('retry: 1000\n\n');
  const leave = sandbox.follow(send, views);
  const review = () => {
    if (!mayStill('see')) response.destroy();
  };
  const forget = changes.add(review);
  const heartbeat = setInterval(() => {
    write(':\n\n');
    review(); // an operator who locks an account does it in another process
  }, HEARTBEAT_MS);
  request.raw.socket.setTimeout(0);
  response.on('close', () => {
    clearInterval(heartbeat);
    forget();
    leave();
  });
}
