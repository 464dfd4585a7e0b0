// Who is asking: an anonymous learner, known by a signed cookie. The cookie holds an id and nothing else; the signature
// is what makes it worth anything.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { newId } from '../ids.ts';
import type { Instructor, Instructors } from '../people/instructors.ts';
import { Problem } from '../problem.ts';
import type { Origins } from './origins.ts';

export const SESSION_COOKIE = 'bulkhead';
export const INSTRUCTOR_COOKIE = 'bulkhead-instructor';
const HALF_A_YEAR_S = 15_552_000;
const SECRET_BYTES = 32;

/** The key that cookies are signed with, made on the first start and kept in `<state>/secret`. It is never changed: every
 * learner would lose their sandboxes. */
export function loadSecret(state: string): Buffer {
  const path = join(state, 'secret');
  try {
    const secret = readFileSync(path);
    const next = 'remove it, and every learner gets a new cookie';
    if (secret.length !== SECRET_BYTES) throw new Error(`${path} is damaged; ${next}`);
    // Whoever knows the key can sign a cookie for any learner. 32 random bytes have some 30 different values; a text or
    // a filler that somebody put there has few, or is all letters.
    const values = new Set(secret);
    if (values.size < SECRET_BYTES / 2 || secret.every((byte) => byte >= 0x20 && byte < 0x7f)) {
      throw new Error(`${path} was not made by chance; ${next}`);
    }
    if (statSync(path).mode & 0o077) throw new Error(`${path} can be read by others; ${next}`);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const secret = randomBytes(SECRET_BYTES);
  // Whole or not at all, also when the power goes: a new file takes the name only once it is on the disk.
  const file = openSync(`${path}.new`, 'w', 0o600);
  fchmodSync(file, 0o600);
  writeSync(file, secret);
  fsyncSync(file);
  closeSync(file);
  renameSync(`${path}.new`, path);
  return secret;
}

export class Sessions {
  readonly #app: FastifyInstance;
  readonly #origins: Origins;
  readonly #instructors: Instructors;

  /** `app` has @fastify/cookie with the secret. */
  constructor(app: FastifyInstance, origins: Origins, instructors: Instructors) {
    this.#app = app;
    this.#origins = origins;
    this.#instructors = instructors;
  }

  /** The learner whose cookie is in this Cookie header; null when there is none that we signed. */
  learner(header: string | undefined): string | null {
    const found = this.#own(header, SESSION_COOKIE);
    if (!found) return null;
    const { valid, value } = this.#app.unsignCookie(found.value);
    // Each name has values of its own, so that none can be taken from one and planted under the other.
    const [, mark = '', learner = null] = (valid && /^(h?)([a-z2-7]{20})$/.exec(value ?? '')) || [];
    return (mark === 'h') === found.hostOnly ? learner : null;
  }

  /** Like `learner`. Throws Problem `no_session` when there is none. */
  require(request: FastifyRequest): string {
    const learner = this.learner(request.headers.cookie);
    if (learner === null) {
      throw new Problem(
        'no_session',
        'Your browser sent no valid cookie: allow cookies for this site, then reload the page.',
      );
    }
    return learner;
  }

  /** The learner, made and given a cookie when there is none yet. */
  ensure(request: FastifyRequest, reply: FastifyReply): string {
    const known = this.learner(request.headers.cookie);
    if (known !== null) return known;
    const learner = newId();
    this.become(learner, request, reply);
    return learner;
  }

  /** From now on, requests of this browser are this learner's. */
  become(learner: string, request: FastifyRequest, reply: FastifyReply): void {
    const cookie = this.#cookie(request);
    reply.setCookie(nameOf(SESSION_COOKIE, cookie.secure), `${cookie.secure ? 'h' : ''}${learner}`, {
      ...cookie,
      signed: true,
      maxAge: HALF_A_YEAR_S,
    });
  }

  /** The instructor whose token is in this Cookie header; null: none. */
  instructor(header: string | undefined): Instructor | null {
    const token = this.#own(header, INSTRUCTOR_COOKIE);
    return token && this.#instructors.byToken(token.value);
  }

  /** Like `instructor`. Throws Problem `no_session` when there is none. */
  requireInstructor(request: FastifyRequest): Instructor {
    const instructor = this.instructor(request.headers.cookie);
    if (instructor === null) throw new Problem('no_session', 'You are not logged in as an instructor.');
    return instructor;
  }

  /** Gives the browser an instructor's token; it goes when the browser is closed, if the login has not ended before. */
  logIn(token: string, request: FastifyRequest, reply: FastifyReply): void {
    const cookie = this.#cookie(request);
    reply.setCookie(nameOf(INSTRUCTOR_COOKIE, cookie.secure), token, cookie);
  }

  /** Takes the token from the browser again; what it was, or null. */
  logOut(request: FastifyRequest, reply: FastifyReply): string | null {
    const cookie = this.#cookie(request);
    reply.clearCookie(nameOf(INSTRUCTOR_COOKIE, cookie.secure), cookie);
    return this.#own(request.headers.cookie, INSTRUCTOR_COOKIE)?.value ?? null;
  }

  /** The value of a cookie of ours. Two of it, and a page on a name below or beside ours has planted one (RFC 6265, 8.6);
   * which is not to be told apart, so neither counts. */
  #own(header: string | undefined, name: string): { value: string; hostOnly: boolean } | null {
    if (header === undefined) return null;
    const prefixed = nameOf(name, true);
    const hostOnly = header.includes(`${prefixed}=`);
    const wanted = hostOnly ? prefixed : name;
    if (header.split(';').filter((one) => one.trim().startsWith(`${wanted}=`)).length !== 1) return null;
    const value = this.#app.parseCookie(header)[wanted];
    return value === undefined ? null : { value, hostOnly };
  }

  #cookie(request: FastifyRequest) {
    return {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: this.#origins.isSecure(request.headers.host),
    } as const;
  }
}

/** Over TLS a browser keeps a cookie of this name to the one host that set it. */
function nameOf(cookie: string, secure: boolean): string {
  return secure ? `__Host-${cookie}` : cookie;
}
