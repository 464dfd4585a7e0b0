// What a configuration file says to the broker, and where everything is kept.
import * as z from 'zod';

const wholeNumber = (least: number, most: number) =>
  z.coerce
    .number(`a whole number from ${least} to ${most}`)
    .int(`a whole number from ${least} to ${most}`)
    .min(least, `a whole number from ${least} to ${most}`)
    .max(most, `a whole number from ${least} to ${most}`);

/** The settings of bulkheadd, each as a text; the messages are those of `bulkheadd --help`. */
export const brokerSettings = {
  state: z
    .string()
    .regex(
      /^\/\S{0,38}$/,
      'an absolute path of at most 39 characters (its sockets need the rest of 107) without spaces',
    )
    .describe('where images, what runs now and what is remembered are kept'),
  accel: z
    .enum(['auto', 'kvm', 'tcg'], 'auto, kvm or tcg')
    .describe('how VMs run: auto (KVM if a guest really boots with it), kvm, or tcg (emulation)'),
  nesting: z
    .enum(['host', 'vm'], 'host or vm')
    .describe('where learners may build partitions of their own: host (people you know) or vm (strangers)'),
  'max-machines': wholeNumber(0, 4_095).describe(
    'machines that may run at once; 0: one for each 32 MiB of memory, at least 64',
  ),
};

export const brokerDefaults: Record<keyof typeof brokerSettings, string> = {
  state: '/var/lib/bulkhead',
  accel: 'auto',
  nesting: 'host',
  'max-machines': '0',
};
