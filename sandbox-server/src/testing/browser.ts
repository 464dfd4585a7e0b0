// A browser for unit tests: it keeps its cookies, and says that it is a page of the site.
import WebSocket from 'ws';
import { apiPaths } from '../protocol/addresses.ts';

export class Browser {
  readonly cookies = new Map<string, string>();
  /** Of the server; another one when it is started again. */
  url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** A learner with a cookie. */
  static async learner(url: string): Promise<Browser> {
    const browser = new Browser(url);
    await browser.ask('GET', apiPaths.status);
    return browser;
  }

  get cookie(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async ask(method: string, path: string, body?: unknown, origin = this.url) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        cookie: this.cookie,
        ...(method === 'GET' ? {} : { origin }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      this.cookies.set(name, value);
    }
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? null : JSON.parse(text),
    };
  }

  /** Opens the attach WebSocket at a path. */
  socket(path: string): WebSocket {
    const headers = { origin: this.url, cookie: this.cookie };
    return new WebSocket(this.url.replace('http', 'ws') + path, { headers });
  }
}
