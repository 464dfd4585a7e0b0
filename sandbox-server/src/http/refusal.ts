// Refusals where there is no reply to refuse with: of an upgrade, and of bytes that are no request.
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionError } from 'fastify';
import { Problem } from '../problem.ts';
import type { ApiError } from '../protocol/api.ts';
import { apiPolicy, securityHeaders } from './policy.ts';

/** Answers on the connection itself, which ends with it. */
export function answerOn(
  socket: Duplex,
  status: number,
  answer: ApiError,
  more: Record<string, string> = {},
): void {
  const body = JSON.stringify(answer);
  const headers = {
    ...securityHeaders,
    ...more,
    'content-security-policy': apiPolicy,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`);
}

/** What Node says of bytes that it does not take for a request, by its code. */
const clientErrors: Record<string, [status: number, message: string]> = {
  HPE_HEADER_OVERFLOW: [431, 'The headers of the request are too long.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The request has too much between its pieces.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
};

/** Answers what is no HTTP, or more of it than a request has. */
export function refuseBytes(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = clientErrors[error.code] ?? [400, 'The request is no HTTP/1.1.'];
  answerOn(socket, status, new Problem('bad_request', message).body);
  // A request that came before these bytes and is still worked on would otherwise wait for the other side to leave.
  socket.destroySoon();
}
