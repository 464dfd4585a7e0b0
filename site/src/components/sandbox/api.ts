// Requests to sandbox-server. Every one has a time limit, and every failure is a Problem that a page can say.
import type { ApiError, ApiErrorCode } from '@bulkhead/sandbox-server/protocol';
import { isStatic } from '../../site-address.ts';
import { say } from './request-words.ts';

/** What went wrong, for programs and for people. `unreachable`: no sandbox-server answered at this address; `cancelled`: the
 * reader gave it up. */
export interface Problem {
  code: ApiErrorCode | 'unreachable' | 'too_slow' | 'cancelled';
  message: string;
  /** Unix time at which trying again makes sense, where the server said so. */
  retryAt: number | null;
}

export class RequestFailed extends Error {
  override name = 'RequestFailed';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** What went wrong, of whatever was thrown. */
export function problemFrom(error: unknown): Problem {
  if (error instanceof RequestFailed) return error.problem;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'failed', message, retryAt: null };
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  /** Milliseconds after which the request is given up. */
  within?: number;
  signal?: AbortSignal;
}

/** Sends a request and returns the answer's JSON (undefined for 204). Throws RequestFailed. */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const { method = 'GET', body, within = 10_000, signal } = options;
  if (isStatic()) throw new RequestFailed(unreachable);
  const limit = AbortSignal.timeout(within);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestFailed(
      limit.aborted
        ? {
            code: 'too_slow',
            message: say('late', { seconds: Math.round(within / 1000) }),
            retryAt: null,
          }
        : unreachable,
    );
  }
  if (response.status === 204) return undefined as T;
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && answer !== undefined) return answer as T;
  throw new RequestFailed(problemOf(response, answer));
}

const unreachable: Problem = {
  code: 'unreachable',
  message: say('nobody'),
  retryAt: null,
};

function problemOf(response: Response, answer: unknown): Problem {
  // A plain web server, with only the pages on it, answers 404 or 405 and a page.
  if (!isApiError(answer)) return unreachable;
  const seconds = Number(response.headers.get('retry-after'));
  return {
    code: answer.error.code,
    message: answer.error.message,
    retryAt: seconds > 0 ? Date.now() + seconds * 1000 : null,
  };
}

function isApiError(answer: unknown): answer is ApiError {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}
