// Unguessable names: sandboxes, machines and learners.
import { randomBytes } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** 20 random base-32 characters: 100 bits, as docs/protocol.md asks of a machine's id. */
export function newId(): string {
  return Array.from(randomBytes(20), (byte) => alphabet[byte & 31]).join('');
}
