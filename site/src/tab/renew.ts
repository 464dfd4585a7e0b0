// A restored machine is a copy: before anybody uses it, it gets randomness, a name, a machine id and the time of its own.
import type { Conversation } from '@bulkhead/sandbox-server/broker/conversation';

const ENTROPY_BYTES = 32;

export async function renewIdentity(guest: Conversation, hostname: string): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(ENTROPY_BYTES));
  const entropy = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  await guest.request('identity.renew', { hostname, entropy, unix_ms: Date.now() });
}
