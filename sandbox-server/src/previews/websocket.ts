// WebSockets of previews: the handshake is passed on and checked on both sides, and from then on bytes are.
import { type IncomingMessage, request as requestHttp, STATUS_CODES } from 'node:http';
import { type Duplex, pipeline } from 'node:stream';
import { type Destination, dialFor } from './agent.ts';
import { towardsBrowser, towardsMachine } from './headers.ts';
import type { Refusal } from './page.ts';
import type { Visit } from './proxy.ts';

/** A program that was asked for a WebSocket and says nothing for so long. */
const ANSWER_MS = 30_000;

/** Joins a browser's socket to a program's, once both have agreed. Throws when what is asked for is no WebSocket. */
export function joinWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { place, machine, port }: Visit,
  refusalOf: (error: unknown) => Refusal,
): void {
  const { upgrade, 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  const plain = length === undefined && encoding === undefined;
  if (request.method !== 'GET' || upgrade?.toLowerCase() !== 'websocket' || !plain) {
    const text = 'A preview passes on HTTP and WebSockets, and nothing else.';
    refuseUpgrade(socket, { status: 400, title: 'This is no WebSocket', text });
    return;
  }
  const headers = { ...towardsMachine(request, place, port), connection: 'Upgrade', upgrade: 'websocket' };
  const destination: Destination = { machine, inside: port, path: request.url, headers, setHost: false };
  const upstream = requestHttp({ ...destination, createConnection: dialFor });
  const late = setTimeout(() => upstream.destroy(new Error('it does not answer')), ANSWER_MS);
  const over = () => clearTimeout(late);
  upstream.on('upgrade', (answer, stream: Duplex, first: Buffer) => {
    over();
    stream.on('error', () => stream.destroy());
    if (
      answer.statusCode !== 101 ||
      answer.headers.upgrade?.toLowerCase() !== 'websocket' ||
      socket.destroyed
    ) {
      stream.destroy();
      socket.destroy();
      return;
    }
    const lines = headLines({
      ...towardsBrowser(answer, place, port),
      connection: 'Upgrade',
      upgrade: 'websocket',
    });
    socket.write(`HTTP/1.1 101 ${STATUS_CODES[101]}\r\n${lines}\r\n`);
    if (first.length > 0) socket.write(first);
    if (head.length > 0) stream.write(head);
    pipeline(stream, socket, () => stream.destroy());
    pipeline(socket, stream, () => socket.destroy());
  });
  upstream.on('response', (answer) => {
    over();
    answer.resume();
    const status = answer.statusCode ?? 502;
    const text = `It answers ${status} ${STATUS_CODES[status] ?? ''}`.trim();
    refuseUpgrade(socket, {
      status: status >= 300 ? status : 502,
      title: 'No WebSocket there',
      text: `${text}.`,
    });
    upstream.destroy();
  });
  upstream.on('error', (error) => {
    over();
    refuseUpgrade(socket, refusalOf(error));
  });
  socket.once('close', () => {
    over();
    upstream.destroy();
  });
  upstream.end();
}

/** Answers an upgrade with a refusal, for whoever can read it: a page cannot, its developer's tools can. */
export function refuseUpgrade(socket: Duplex, { status, title, text }: Refusal): void {
  const body = `${title}\n${text}\n`;
  const lines = headLines({
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  if (!socket.destroyed)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${lines}\r\n${body}`);
}

/** Values come from Node's parser, which lets no line end pass. */
function headLines(headers: NodeJS.Dict<string | number | readonly string[]>): string {
  return Object.entries(headers)
    .flatMap(([name, value]) => [value].flat().map((one) => [name, one] as const))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}
