import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseOptions } from '../../options.ts';
import { type RunningServer, startServer } from '../../server.ts';
import { watchRoutes } from '../../testing/routes.ts';
import { openApiDocument } from './document.ts';
import { routes } from './routes.ts';

let directory: string;
let server: RunningServer;
const registered = new Set<string>();

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bh-'));
  const args = ['--port', '0', '--state', directory, '--broker', '/no/such', '--site', directory];
  const start = () => startServer(parseOptions(args, {}), pino({ level: 'silent' }));
  server = await watchRoutes(start, registered);
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

test('the document has every route that the server has, and no other', () => {
  const isPage = (route: string) => / \/(linux\/)?(\*)?$/.test(route);
  const there = [...registered].filter((route) => !route.startsWith('HEAD ') && !isPage(route));
  const upgrades = routes.filter(({ answers }) => 101 in answers); // those are not Fastify's
  const told = routes
    .filter((route) => !upgrades.includes(route))
    .map(({ method, path }) => `${method} ${path}`);
  expect(told.toSorted(), 'http/openapi/routes.ts').toEqual(there.toSorted());
});

test('the document is one by the specification, and is served', async () => {
  const answer = await fetch(`${server.url}/api/openapi.json`);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const document = (await answer.json()) as Record<string, Record<string, Record<string, unknown>>>;
  expect(document).toEqual(openApiDocument('0.1.0'));
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);

  const operations = Object.values(document.paths ?? {}).flatMap((path) => Object.values(path));
  const ids = operations.map((operation) => (operation as { operationId: string }).operationId);
  expect(ids).toHaveLength(routes.length);
  expect(new Set(ids).size).toBe(ids.length);
});

test('each schema says what its fields mean', () => {
  const nameless: string[] = [];
  const look = (schema: unknown, path: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    const { properties = {} } = schema as { properties?: Record<string, { description?: string }> };
    for (const [name, field] of Object.entries(properties))
      if (!field.description && !('properties' in field)) nameless.push(`${path}.${name}`);
    for (const [name, inner] of Object.entries(schema)) look(inner, `${path}.${name}`);
  };
  look(openApiDocument('').paths, 'paths');
  expect(nameless).toEqual([]);
});
