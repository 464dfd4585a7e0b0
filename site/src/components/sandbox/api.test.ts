import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Problem, RequestFailed, request } from './api.ts';

let server: Server | undefined;

async function serve(answer: RequestListener): Promise<string> {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/status`;
}

async function problemOf(asked: Promise<unknown>): Promise<Problem> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RequestFailed)) throw new Error(`expected RequestFailed, got ${String(error)}`);
  return error.problem;
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

describe('a request to the sandbox server', () => {
  it('gives the answer', async () => {
    const url = await serve((_request, response) => response.end('{"you":{"sandboxes":[]}}'));
    expect(await request(url)).toEqual({ you: { sandboxes: [] } });
  });

  it('says what the server refused, and when to come back', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(503, { 'retry-after': '30' });
      response.end('{"error":{"code":"full","message":"64 machines run already."}}');
    });
    const before = Date.now();
    const problem = await problemOf(request(url, { method: 'POST', body: {} }));
    expect(problem).toMatchObject({ code: 'full', message: '64 machines run already.' });
    expect(problem.retryAt).toBeGreaterThanOrEqual(before + 30_000);
  });

  it('takes a plain web server, which answers with a page, for no sandbox server', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(404, { 'content-type': 'text/html' });
      response.end('<h1>Not found</h1>');
    });
    expect((await problemOf(request(url))).code).toBe('unreachable');
  });

  it('takes a closed port for no sandbox server', async () => {
    const url = await serve(() => undefined);
    server?.close();
    await once(server as Server, 'close');
    expect((await problemOf(request(url))).code).toBe('unreachable');
  });

  it('gives up after its time and says how long that was', async () => {
    const url = await serve(() => undefined);
    const problem = await problemOf(request(url, { within: 50 }));
    expect(problem.code).toBe('too_slow');
  });
});
