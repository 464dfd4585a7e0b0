// What the server says when it does not do what it was asked: one error for the API, whatever refused.
import { BrokerError } from './broker/client.ts';
import type { ApiError, ApiErrorCode } from './protocol/api.ts';

const statuses: Record<ApiErrorCode, number> = {
  bad_request: 400,
  no_session: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  too_big: 422,
  unmet: 422,
  quota: 429,
  rate: 429,
  failed: 500,
  unsupported: 501,
  full: 503,
  no_host: 503,
  not_built: 503,
};

/** The HTTP status that a code is answered with. */
export function statusOf(code: ApiErrorCode): number {
  return statuses[code];
}

/** A refusal, with a message for a person. */
export class Problem extends Error {
  override name = 'Problem';
  readonly code: ApiErrorCode;
  readonly field: string | undefined;
  /** Seconds after which the same request may succeed. */
  readonly retryAfter: number | undefined;

  constructor(code: ApiErrorCode, message: string, more: { field?: string; retryAfter?: number } = {}) {
    super(message);
    this.code = code;
    this.field = more.field;
    this.retryAfter = more.retryAfter;
  }

  get status(): number {
    return statusOf(this.code);
  }

  get body(): ApiError {
    const { code, message, field } = this;
    return { error: field === undefined ? { code, message } : { code, message, field } };
  }
}

/** What a broker's refusal means to whoever asked the server. Errors of other kinds are returned as they are. */
export function problemOf(error: unknown): unknown {
  if (!(error instanceof BrokerError)) return error;
  switch (error.code) {
    case 'unavailable':
      return new Problem('no_host', `No machine can be reached now: ${error.message}.`, { retryAfter: 2 });
    case 'limit':
      return new Problem('full', `The host has no room: ${error.message}.`, { retryAfter: 30 });
    case 'unsupported':
      return new Problem('unsupported', error.message);
    case 'not_found':
      return new Problem('not_found', error.message);
    case 'exists':
      return new Problem('conflict', error.message);
    default:
      return new Problem('failed', error.message);
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
