import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { helpText, OPTIONS, parseOptions } from './options.ts';

describe('options of npm start', () => {
  it('are all in the help text with their environment variable', () => {
    for (const option of OPTIONS) {
      expect(helpText()).toContain(`--${option.name}`);
      expect(helpText()).toContain(option.env);
    }
  });

  it('come from the command line first, then the environment, then the fallback', () => {
    const options = parseOptions(['--port', '9000'], { BULKHEAD_PORT: '9001', BULKHEAD_ACCEL: 'tcg' });
    expect(options.port).toBe('9000');
    expect(options.accel).toBe('tcg');
    expect(options.nesting).toBe('host');
  });

  it('come from a configuration file where neither says anything', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'bh-')), 'b.yaml');
    writeFileSync(file, 'port: 9000\nnesting: vm\nidle: 5\n');
    const options = parseOptions(['--config', file, '--port', '9001'], {});
    expect(options).toMatchObject({ port: '9001', nesting: 'vm', accel: 'auto' });
    writeFileSync(file, 'port: 0\nnestin: vm\n');
    expect(() => parseOptions(['--config', file], {})).toThrow(`${file}:2: there is no setting nestin`);
    rmSync(dirname(file), { recursive: true });
  });

  it('take a value after an equals sign', () => {
    expect(parseOptions(['--state=/srv/bulkhead'], {}).state).toBe('/srv/bulkhead');
  });

  it.each([
    [['--port', '0'], '--port is "0", but must be a number from 1 to 65535'],
    [['--accel', 'hvf'], '--accel is "hvf", but must be one of auto, kvm, tcg'],
    [['--nesting', 'here'], 'must be one of host, vm'],
    [['--state', 'relative'], 'must be an absolute path'],
    [['--address', 'example.org'], 'must be an IP address'],
    [['--log-level', 'loud'], 'must be one of error, warn, info, debug'],
    [['--prot', '1'], 'unknown option --prot; valid are --port'],
    [['--port'], '--port needs a value'],
  ])('refuse %j and name what is valid', (args, message) => {
    expect(() => parseOptions(args, {})).toThrow(message);
  });

  it('name the environment variable when it is at fault', () => {
    expect(() => parseOptions([], { BULKHEAD_PORT: 'http' })).toThrow('BULKHEAD_PORT is "http"');
  });
});
