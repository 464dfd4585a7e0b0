// The broker inside a VM, over the VM's link socket.
import type { ByteDuplex } from '../protocol/bytes.ts';
import { Conversation } from './conversation.ts';
import { FairStream } from './fair.ts';
import { connectUnix } from './streams.ts';

export { GUEST_ITSELF } from './conversation.ts';

/** A conversation that takes no more of the server's one thread than its share. */
export class LinkHost extends Conversation {
  /** The VM's link.sock, or what opens the stream to its guest's port. */
  constructor(link: string | (() => Promise<ByteDuplex>)) {
    const open = typeof link === 'string' ? () => connectUnix(link, "the VM's link") : link;
    super(async () => new FairStream(await open()));
  }
}
