// Where a request came from, as far as limits look: one IPv4 address, or the half of an IPv6 address that a provider gives
// to one customer. What a proxy says about it counts only when the operator named that proxy.
import { BlockList, isIP } from 'node:net';

/** Proxies whose X-Forwarded-For is believed. */
export class Proxies {
  readonly #known = new BlockList();
  readonly #any: boolean;

  /** `trusted`: addresses and networks such as 10.0.0.0/8, checked by `isNetwork`. */
  constructor(trusted: readonly string[]) {
    this.#any = trusted.length > 0;
    for (const network of trusted) {
      const [address = '', bits] = network.split('/', 2);
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      this.#known.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
    }
  }

  /** The client's address: that of the peer, or, from right to left, the first in X-Forwarded-For that is no proxy of ours.
   * What stands further left is the client's own invention. */
  client(peer: string | undefined, forwarded: string | string[] | undefined): string {
    const chain = this.#any ? [forwarded ?? []].flat().join(',').split(',') : [];
    let client = plain(peer ?? '');
    for (let hop = chain.pop(); hop !== undefined && this.#isOurs(client); hop = chain.pop()) {
      const address = plain(hop.trim());
      if (isIP(address) === 0) break;
      client = address;
    }
    return client;
  }

  #isOurs(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#known.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Whether this is an address or a network that Proxies takes. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return (
    more === undefined && most > 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
  );
}

/** What limits count by: whoever has an IPv6 network has 2^64 addresses in it, so these are one. */
export function limitKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** An IPv4 address as such, also where a socket of both families tells it as IPv6. */
function plain(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}
