import { expect, test } from 'vitest';
import { until } from '../testing/scripted-broker.ts';
import { TestServer } from '../testing/test-server.ts';

test('a server without a broker is healthy, not ready, and says why; with one it is ready', async () => {
  const server = new TestServer();
  await server.start();
  const ask = async (path: string) => {
    const answer = await fetch(server.url + path);
    return `${answer.status} ${await answer.text()}`;
  };
  expect(await ask('/healthz')).toBe('200 ok\n');
  expect(await ask('/readyz')).toMatch(/^503 .*broker/);
  await server.broker.listen();
  await until(() => server.broker.requests.includes('machine.list'));
  await expect.poll(() => ask('/readyz')).toBe('200 ready\n');
  await server.close();
});
