// Passwords of instructors, kept as scrypt hashes that say their own parameters.
import { randomBytes, scrypt as scryptWithCallback, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const scrypt = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(
  scryptWithCallback,
);

/** OWASP's cheat sheet on password storage, the row with 32 MiB: enough to hurt whoever stole the file, and a login still
 * takes a tenth of a second. */
const COST = { N: 2 ** 15, r: 8, p: 3 };
const KEY_BYTES = 32;
/** scrypt works on 128 × N × r bytes, and Node refuses when that is not below its limit. */
const MAX_MEMORY = 256 * COST.N * COST.r;

export const SHORTEST_PASSWORD = 10;
/** Longer is not safer, and each byte is hashed. */
export const LONGEST_PASSWORD = 200;

/** `scrypt$N$r$p$salt$key`, the last two in base64. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST);
  const { N, r, p } = COST;
  return ['scrypt', N, r, p, salt.toString('base64'), key.toString('base64')].join('$');
}

/** Whether `password` is the one whose hash was kept. */
export async function isPassword(password: string, kept: string): Promise<boolean> {
  const [kind, N, r, p, salt = '', key = ''] = kept.split('$');
  if (kind !== 'scrypt') throw new Error(`a password is kept as ${kind}, which this Bulkhead does not know`);
  const wanted = Buffer.from(key, 'base64');
  const got = await derive(password, Buffer.from(salt, 'base64'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  return wanted.length === got.length && timingSafeEqual(wanted, got);
}

/** The same characters typed on two systems may be composed differently (é as one or two code points); NFKC makes them one. */
function derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  return scrypt(password.normalize('NFKC'), salt, KEY_BYTES, { ...cost, maxmem: MAX_MEMORY });
}
