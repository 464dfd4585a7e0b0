// What an operator has of a server that is used: figures for Prometheus, and a log in which requests and sandboxes can be
// followed and nothing can be read that learners typed, wrote or were told.
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { freePort, type Stack, startStack } from './stack.ts';

const secrets = {
  typed: 'typed-4f9c1e',
  written: 'written-77ab0d',
  ran: 'ran-c0ffee',
  guessed: 'GUESS-ED234-56789-ABCDE',
  password: 'password-19ee5b',
};

let stack: Stack;
let figures: string;
let learner: Learner;
let sandbox: string;
let screen: RemoteTerminal;
let code: string;

async function scrape(): Promise<string> {
  const answer = await fetch(figures);
  expect(answer.status).toBe(200);
  return answer.text();
}

/** The value of one series, written as Prometheus writes it; 0 where it has not been counted yet. */
function sampleOf(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

beforeAll(async () => {
  const port = await freePort();
  figures = `http://127.0.0.1:${port}/metrics`;
  stack = await startStack({
    server: ['--metrics', `${port}`, '--log-level', 'debug'],
    broker: ['--log-level', 'debug'],
  });
  learner = await Learner.arrive(stack.url);
  const made = await learner.create([{ name: 'box', kind: 'container', columns: 80, rows: 24 }]);
  sandbox = made.id;
  screen = learner.terminal(sandbox, 'box', made.machines[0]?.terminals[0]?.terminal ?? '');
  await screen.attach();
  await screen.see(/[#$] $/);
  await screen.run(`: ${secrets.typed}`);
  const file = { path: '/tmp/notes', content: Buffer.from(secrets.written).toString('base64') };
  expect(await learner.ask('PUT', apiPaths.files(sandbox, 'box'), file)).toMatchObject({ status: 204 });
  const ran = await learner.ask('POST', apiPaths.exec(sandbox, 'box'), { command: ['echo', secrets.ran] });
  expect(ran.body).toMatchObject({ status: 0 });
  const told = await learner.ask('POST', '/api/recovery-code', {});
  code = (told.body as { code: string }).code;
  await learner.ask('POST', '/api/recover', { code: secrets.guessed });
  await learner.ask('POST', '/api/instructor/login', { login: 'ada', password: secrets.password });
  await learner.ask('PUT', apiPaths.files(sandbox, 'box'), { [secrets.written]: 1 });
  await learner.ask('GET', `${apiPaths.files(sandbox, 'box')}?path=/no/such/file`);
});
afterAll(() => stack.stop());

describe('the figures', () => {
  test('say what has happened and what there is', async () => {
    const text = await scrape();
    expect(sampleOf(text, 'bulkhead_sandboxes')).toBe(1);
    expect(sampleOf(text, 'bulkhead_machines{kind="container",state="running",place="host"}')).toBe(1);
    expect(sampleOf(text, 'bulkhead_terminal_viewers')).toBe(1);
    expect(sampleOf(text, 'bulkhead_broker_connected')).toBe(1);
    const started = 'start="container",place="host"';
    for (const name of ['bulkhead_machine_start_seconds', 'bulkhead_click_to_prompt_seconds'])
      expect(sampleOf(text, `${name}_count{${started}}`)).toBe(1);
    const ready = sampleOf(text, `bulkhead_machine_start_seconds_sum{${started}}`);
    const prompt = sampleOf(text, `bulkhead_click_to_prompt_seconds_sum{${started}}`);
    expect(ready).toBeGreaterThan(0);
    expect(prompt).toBeGreaterThan(ready);
    expect(sampleOf(text, 'bulkhead_terminal_echo_seconds_count')).toBeGreaterThanOrEqual(1);
    expect(sampleOf(text, 'bulkhead_terminal_bytes_total{direction="output"}')).toBeGreaterThan(
      screen.length,
    );
    expect(
      sampleOf(
        text,
        'bulkhead_http_request_seconds_count{method="POST",route="/api/sandboxes",status="201"}',
      ),
    ).toBe(1);
    expect(sampleOf(text, 'bulkhead_broker_errors_total{method="file.read",code="not_found"}')).toBe(1);
    expect(sampleOf(text, 'nodejs_heap_size_used_bytes')).toBeGreaterThan(1_000_000);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
  });

  test('are in the format and by the conventions of Prometheus', async () => {
    const text = await scrape();
    const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
    const helped = new Set([...text.matchAll(/^# HELP (\S+) \S.*\.$/gm)].map(([, name]) => name));
    for (const [name = '', type] of types) {
      if (!name.startsWith('bulkhead_')) continue;
      expect(helped, `HELP of ${name}`).toContain(name);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
    const sample = /^([a-zA-Z_:][\w:]*)(\{(\w+="([^"\\\n]|\\.)*",?)*\})? (NaN|Nan|[+-]Inf|-?\d[\d.e+-]*)$/;
    for (const line of text.trimEnd().split('\n')) {
      if (line === '' || line.startsWith('# ')) continue;
      const [, name = ''] = sample.exec(line) ?? [];
      const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      expect(types.has(family), line).toBe(true);
    }
    // Prometheus' own opinion, where its tool is installed.
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    if (promtool.error === undefined) {
      expect(promtool.stderr.split('\n').filter((line) => line.startsWith('bulkhead_'))).toEqual([]);
    }
  });

  test('count no one who asks for what is not there under a name of their own', async () => {
    await learner.ask('GET', '/api/made-up-8d1f');
    const text = await scrape();
    expect(text).not.toContain('made-up');
    expect(
      sampleOf(text, 'bulkhead_http_request_seconds_count{method="GET",route="none",status="404"}'),
    ).toBe(1);
  });
});

test('the log, at its most talkative, lets a sandbox be followed and says nothing that was secret', async () => {
  await learner.end(sandbox);
  for (const last of ['ended a sandbox', 'a viewer left'])
    await expect.poll(() => stack.said).toContain(last);
  // Without the last line, which may not have been said to its end.
  const lines = stack.said.split('\n').slice(0, -1);
  const server = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const made = server.find(({ msg }) => msg === 'made a sandbox');
  expect(made).toMatchObject({ sandbox, request: expect.stringMatching(/^[\w-]{12}$/) });
  expect(server.filter(({ request }) => request === made.request).map(({ msg }) => msg)).toContain(
    'answered',
  );
  for (const msg of ['a viewer came', 'a viewer left'])
    expect(server).toContainEqual(expect.objectContaining({ msg, sandbox, machine: made.machines[0] }));
  expect(server.filter(({ msg }) => msg === 'answered').every(({ request }) => request)).toBe(true);

  const [, value = ''] = learner.cookie.split('=');
  const told = [...Object.values(secrets), code, value, decodeURIComponent(value)];
  const coded = told.map((secret) => Buffer.from(secret).toString('base64').replaceAll('=', ''));
  for (const secret of [...told, ...coded]) expect(lines.filter((line) => line.includes(secret))).toEqual([]);
});
