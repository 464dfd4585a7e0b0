// Values that somebody may send: after the schemas of the protocol, a step away from them, and far from everything.
import * as z from 'zod';
import * as api from '../../sandbox-server/src/protocol/api.ts';
import * as inside from '../../sandbox-server/src/protocol/inside.ts';
import * as people from '../../sandbox-server/src/protocol/people.ts';
import * as workshops from '../../sandbox-server/src/protocol/workshops.ts';
import { seeded } from './guest.ts';

interface JsonSchema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  maxLength?: number;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  additionalProperties?: boolean;
}

/** What means something to some part of the server, the broker, the kernel, a terminal or a browser. */
const TEXTS = [
  ...['', 'box', 'main', 'true', '/bin/true', '/etc/passwd', '/proc/self/environ', '/dev/zero', '/../../..'],
  ...['..', '.', '%2e%2e', '%00', '\0', '\r\nx: y', '\u001b]0;x\u0007', '\ud800', '\u202e', 'é'.repeat(70)],
  ...[
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    'javascript:alert(1)',
    '$(id)',
    '{{7*7}}',
  ],
  ...["' OR 1=1 --", '*', '__proto__', 'constructor', 'toString', 'a'.repeat(5_000), '🦀'.repeat(300)],
  ...['null', '-1', '1e999', '0x10', 'type', 'watch', 'ada', 'a'.repeat(20), 'abcd-efgh-ijkl', '127.0.0.1'],
];
const NUMBERS = [0, 1, 2, 24, 80, -1, 0.5, 65_535, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -1e308];

/** Every schema of the protocol that refuses what it does not know, as those of requests do. */
export const schemas: JsonSchema[] = [api, inside, people, workshops]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter((value): value is z.ZodType => value instanceof z.ZodType)
  .map((schema) => z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as JsonSchema)
  .filter(({ type, additionalProperties }) => type === 'object' && additionalProperties === false);

export class Values {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  below(most: number): number {
    return Math.floor(this.random() * most);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  chance(of: number): boolean {
    return this.random() < of;
  }

  text(): string {
    return this.chance(0.8)
      ? this.one(TEXTS)
      : String.fromCodePoint(...Array.from({ length: this.below(40) }, () => this.below(0xd7ff)));
  }

  bytes(most: number): Uint8Array {
    return Uint8Array.from({ length: this.below(most) }, () => this.below(256));
  }

  /** Of any shape; no deeper than it is lucky. */
  any(): unknown {
    const luck = this.random();
    if (luck < 0.3) return this.one(NUMBERS);
    if (luck < 0.65) return this.text();
    if (luck < 0.75) return this.one([null, true, false]);
    if (luck < 0.87) return Array.from({ length: this.below(4) }, () => this.any());
    return Object.fromEntries(Array.from({ length: this.below(4) }, () => [this.text(), this.any()]));
  }

  /** What the schema allows, nearly always. */
  of(schema: JsonSchema): unknown {
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return this.one(schema.enum);
    if (schema.anyOf) return this.of(this.one(schema.anyOf));
    switch ([schema.type].flat()[0]) {
      case 'object':
        return Object.fromEntries(
          Object.entries(schema.properties ?? {})
            .filter(([name]) => schema.required?.includes(name) || this.chance(0.4))
            .map(([name, part]) => [name, this.of(part)]),
        );
      case 'array':
        return Array.from({ length: 1 + this.below(2) }, () => this.of(schema.items ?? {}));
      case 'string':
        return this.chance(0.7)
          ? this.one(['box', 'vm', '/root', '/root/x', 'true', 'eA==', 'a'])
          : this.text();
      case 'integer':
      case 'number':
        return this.chance(0.7) ? this.one([1, 24, 80, schema.minimum ?? 0]) : this.one(NUMBERS);
      case 'boolean':
        return this.chance(0.5);
      default:
        return this.any();
    }
  }

  /** The value with one part of it exchanged, added or taken away. */
  changed(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || this.chance(0.15)) return this.any();
    if (Array.isArray(value))
      return this.chance(0.5) ? value.map((one) => this.changed(one)) : [...value, this.any()];
    const entries = Object.entries(value);
    if (entries.length === 0 || this.chance(0.2)) return { ...value, [this.text()]: this.any() };
    const at = this.below(entries.length);
    if (this.chance(0.2)) return Object.fromEntries(entries.filter((_, i) => i !== at));
    return Object.fromEntries(entries.map(([name, one], i) => [name, i === at ? this.changed(one) : one]));
  }
}
