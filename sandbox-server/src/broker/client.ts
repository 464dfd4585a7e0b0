// One conversation with a broker: requests and their answers, and events, over lines that somebody else carries.
import type * as z from 'zod';
import { Listeners } from '../listeners.ts';
import {
  type BrokerEvent,
  type BrokerMethod,
  type BrokerParams,
  type BrokerResult,
  brokerAnswerSchema,
  type brokerErrorCodes,
  brokerEventSchema,
  brokerMethods,
} from '../protocol/broker.ts';
import type { RequestOptions } from './host.ts';

/** What a broker may answer, and what can go wrong on the way: `unavailable` (no connection, or it broke), `malformed`
 * (an answer that is none), `aborted` (the caller's signal). */
export type BrokerErrorCode = (typeof brokerErrorCodes)[number] | 'unavailable' | 'malformed' | 'aborted';

/** A request that was not granted. The message is one sentence for a person. */
export class BrokerError extends Error {
  override name = 'BrokerError';
  readonly code: BrokerErrorCode;
  readonly field: string | undefined;

  constructor(code: BrokerErrorCode, message: string, field?: string) {
    super(message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX)}…` : message);
    this.code = code;
    this.field = field;
  }
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Characters of a message: one sentence. A guest's broker may be a learner's own, and its words go into logs and pages. */
const MESSAGE_MAX = 400;

interface Pending {
  method: BrokerMethod;
  resolve(result: unknown): void;
  reject(error: BrokerError): void;
}

/** Speaks the control protocol over a `send` for lines; whoever owns the stream calls `receive` and `end`. */
export class BrokerClient {
  readonly events = new Listeners<BrokerEvent>();
  readonly #send: (line: string) => void;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended: string | null = null;

  constructor(send: (line: string) => void) {
    this.#send = send;
  }

  request<M extends BrokerMethod>(
    method: M,
    params: BrokerParams<M>,
    { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: RequestOptions = {},
  ): Promise<BrokerResult<M>> {
    if (this.#ended !== null) return Promise.reject(new BrokerError('unavailable', this.#ended));
    if (signal?.aborted) return Promise.reject(aborted(method));
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        this.#pending.delete(id);
      };
      const abort = () => {
        settle();
        reject(aborted(method));
      };
      const timer = setTimeout(() => {
        settle();
        reject(new BrokerError('timeout', `the broker did not answer ${method} within ${timeoutMs} ms`));
      }, timeoutMs);
      signal?.addEventListener('abort', abort);
      this.#pending.set(id, {
        method,
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.#send(JSON.stringify({ id, method, params }));
    }) as Promise<BrokerResult<M>>;
  }

  /** Takes one line from the broker. Throws BrokerError when it is neither an answer nor an event: the stream is then
   * of no use any more. */
  receive(line: string): void {
    const message = parseLine(line);
    if (typeof message === 'object' && message !== null && 'event' in message) {
      const event = brokerEventSchema.safeParse(message);
      if (!event.success) throw malformed('an event', event.error);
      this.events.emit(event.data);
      return;
    }
    const answer = brokerAnswerSchema.safeParse(message);
    if (!answer.success) throw malformed('a line', answer.error);
    // An answer that nobody waits for is of a request that was given up.
    const pending = answer.data.id === null ? undefined : this.#pending.get(answer.data.id);
    if (!pending) return;
    if ('error' in answer.data) {
      const { code, message, field } = answer.data.error;
      pending.reject(new BrokerError(code, message, field));
      return;
    }
    const result = brokerMethods[pending.method].result.safeParse(answer.data.result);
    if (result.success) pending.resolve(result.data);
    else pending.reject(malformed(`an answer to ${pending.method}`, result.error));
  }

  /** The stream is over: every open request fails with `reason`, and so do later ones. */
  end(reason: string): void {
    this.#ended ??= reason;
    for (const pending of [...this.#pending.values()]) pending.reject(new BrokerError('unavailable', reason));
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new BrokerError('malformed', `the broker sent a line that is no JSON: ${line.slice(0, 80)}`);
  }
}

function malformed(what: string, error: z.ZodError): BrokerError {
  const issue = error.issues[0];
  const where = issue?.path.join('.') ?? '';
  const problem = issue ? `${where && `${where}: `}${issue.message}` : 'not as docs/protocol.md says';
  return new BrokerError('malformed', `the broker sent ${what} that is malformed (${problem})`);
}

function aborted(method: BrokerMethod): BrokerError {
  return new BrokerError('aborted', `${method} was given up`);
}
