// The OpenAPI document of the API, made from the table of routes and the schemas that check every request.
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { statusOf } from '../../problem.ts';
import { type ApiErrorCode, apiErrorSchema } from '../../protocol/api.ts';
import { INSTRUCTOR_COOKIE, SESSION_COOKIE } from '../session.ts';
import { type Answer, parameters, type Route, routes, type Who } from './routes.ts';

type Json = Record<string, unknown>;

/** Serves it at `/api/openapi.json`. */
export function registerOpenApi(app: FastifyInstance, version: string): void {
  let document: string | null = null;
  app.get('/api/openapi.json', (_request, reply) => {
    document ??= JSON.stringify(openApiDocument(version));
    return reply.type('application/json; charset=utf-8').send(document);
  });
}

export function openApiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Bulkhead',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'Sandboxes of containers and virtual machines. A request that changes something is taken from a page of the ' +
        'site alone: it needs the Origin header that browsers send. Every answer has an X-Request-Id, by which the log ' +
        'knows it.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(apiErrorSchema) },
      securitySchemes: {
        learner: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
        instructor: { type: 'apiKey', in: 'cookie', name: INSTRUCTOR_COOKIE },
      },
    },
  };
}

const security: Record<Who, Record<string, never[]>[]> = {
  anybody: [],
  learner: [{ learner: [] }],
  sandbox: [{ learner: [] }, { instructor: [] }], // either: a workshop's instructor may see and help
  instructor: [{ instructor: [] }],
};

function operation(route: Route): Json {
  const { method, path, who, summary, query, body, answers } = route;
  const words = path.split(/[/.]/).filter((word) => word !== '' && word !== 'api' && !word.startsWith(':'));
  return {
    operationId: [method.toLowerCase(), ...words, path.match(/:\w+$/)?.[0].slice(1) ?? '']
      .filter(Boolean)
      .join('-'),
    summary,
    security: security[who],
    parameters: [...pathParameters(path), ...(query ? queryParameters(query) : [])],
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(body, 'input') } } },
    }),
    responses: { ...successes(answers), ...problems(route) },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => {
    const schema = parameters[name];
    if (!schema) throw new Error(`openapi/routes.ts does not say what the parameter ${name} of ${path} is`);
    return { name, in: 'path', required: true, schema: jsonSchema(schema) };
  });
}

function queryParameters(query: z.ZodObject): Json[] {
  return Object.entries(query.shape).map(([name, field]) => ({
    name,
    in: 'query',
    required: !z.safeParse(field, undefined).success,
    schema: asSent(field),
  }));
}

/** As it stands in an address. What is made a number of takes anything, by the schema; what it becomes says more. */
function asSent(field: z.ZodType): Json {
  const sent = jsonSchema(field, 'input');
  return 'type' in sent ? sent : jsonSchema(field);
}

function successes(answers: Route['answers']): Json {
  return Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, success(answer)]));
}

function success(answer: Answer): Json {
  switch (answer) {
    case 'nothing':
      return { description: 'Done.' };
    case 'upgrade':
      return { description: 'A WebSocket.' };
    case 'text':
      return { description: 'One line.', content: { 'text/plain': { schema: { type: 'string' } } } };
    case 'events':
      return { description: 'Events.', content: { 'text/event-stream': { schema: { type: 'string' } } } };
    default: {
      const description = answer.description ?? 'What was asked for.';
      return { description, content: { 'application/json': { schema: jsonSchema(answer) } } };
    }
  }
}

/** Errors by status: what the route says, and what every one of its sort may answer. */
function problems({ who, path, body, query, problems: own = [] }: Route): Json {
  const codes = new Set<ApiErrorCode>(['forbidden', 'rate', 'failed', ...own]);
  if (who !== 'anybody') codes.add('no_session');
  if (who === 'sandbox') codes.add('not_found');
  if (body || query || path.includes(':')) codes.add('bad_request');
  if (body) codes.add('too_large');
  const byStatus = new Map<number, ApiErrorCode[]>();
  for (const code of codes) {
    const status = statusOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => !(status === 503 && path === '/readyz'))
      .map(([status, those]) => [
        status,
        {
          description: those.join(', '),
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      ]),
  );
}

/** As OpenAPI 3.1 has it, which is JSON Schema 2020-12. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output' = 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
