import { describe, expect, test } from 'vitest';
import { helpText, OptionError, parseOptions } from './options.ts';

describe('options', () => {
  test('the command line wins over the environment, and both over what is built in', () => {
    const options = parseOptions(['--port', '8000', '--stop-on-eof'], {
      BULKHEAD_PORT: '9000',
      BULKHEAD_LOG_LEVEL: 'debug',
      BULKHEAD_PUBLIC_URL: 'https://a.example,https://b.example:8443',
    });
    expect(options).toMatchObject({
      port: 8_000,
      address: '127.0.0.1',
      'log-level': 'debug',
      'public-url': ['https://a.example', 'https://b.example:8443'],
      'stop-on-eof': true,
      idle: 30,
    });
  });

  test.each([
    [['--port', '70000'], /--port is "70000".*0 to 65535/],
    [['--log-level', 'loud'], /--log-level is "loud".*error.*debug/],
    [['--state', 'here'], /--state is "here".*absolute path/],
    [['--idle', '0'], /--idle is "0".*more than 0/],
    [['--public-url', 'ftp://a'], /--public-url.*https:/],
    [['--prot', '1'], /--prot/],
  ])('%j is refused, naming what would be valid', (args, message) => {
    expect(() => parseOptions(args, {})).toThrow(OptionError);
    expect(() => parseOptions(args, {})).toThrow(message);
  });

  test('every option is in the help', () => {
    for (const name of Object.keys(parseOptions([], {}))) expect(helpText()).toContain(`--${name}`);
  });
});
