// Server-sent events: those of a sandbox, and the stream that carries any.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Listeners } from '../listeners.ts';
import type { Entry } from './access.ts';
import { apiPolicy, securityHeaders } from './policy.ts';
import { REQUEST_ID_HEADER } from './requests.ts';

/** A comment this often keeps proxies from closing a stream on which nothing happens. */
const HEARTBEAT_MS = 15_000;
/** Bytes that may wait for a page that does not read; it is then cut off and comes back by itself. */
const MOST_WAITING = 262_144;

/** An answer that goes on: events are sent until it is ended or the page leaves. */
export interface EventStream {
  /** `data` is JSON. */
  send(event: string, data: string): void;
  /** Ends it after what was sent; the page is told nothing more. */
  end(): void;
  /** Cuts it off. */
  destroy(): void;
}

/** Begins a stream of server-sent events. `beat` is called now and then while it lives, `closed` once when it is over. */
export function openEventStream(
  request: FastifyRequest,
  reply: FastifyReply,
  { beat, closed }: { beat?: () => void; closed: () => void },
): EventStream {
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
  write('retry: 1000\n\n');
  const heartbeat = setInterval(() => {
    write(':\n\n');
    beat?.();
  }, HEARTBEAT_MS);
  request.raw.socket.setTimeout(0);
  response.on('close', () => {
    clearInterval(heartbeat);
    closed();
  });
  return {
    send: (event, data) => write(`event: ${event}\ndata: ${data}\n\n`),
    end: () => response.end(),
    destroy: () => response.destroy(),
  };
}

/** Sends the events of a sandbox until the page leaves, the sandbox ends, or whoever follows may no longer see it. `changes`
 * tells when that is to be asked again. `views`: machines whose host's view is wanted too. */
export function streamEvents(
  { sandbox, mayStill }: Entry,
  views: readonly string[],
  changes: Listeners<void>,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const leaves: (() => void)[] = [];
  const review = () => {
    if (!mayStill('see')) stream.destroy();
  };
  const stream = openEventStream(request, reply, {
    beat: review, // an operator who locks an account does it in another process
    closed: () => {
      for (const leave of leaves) leave();
    },
  });
  leaves.push(
    changes.add(review),
    sandbox.follow(({ event, data }) => {
      stream.send(event, JSON.stringify(data));
      if (event === 'ended') stream.end();
    }, views),
  );
}
