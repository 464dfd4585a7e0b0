// From the click to the first byte of a prompt, measured here in the browser. It outlives a reload of the page, but not
// the tab: it belongs to one start on one connection.
const key = (sandbox: string) => `bulkhead-prompt:${sandbox}`;

export type PromptTimes = Record<string, number>;

export function rememberedPrompts(sandbox: string): PromptTimes {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(key(sandbox)) ?? '{}');
    return typeof kept === 'object' && kept !== null ? (kept as PromptTimes) : {};
  } catch {
    return {}; // storage is blocked: the measure is lost with the page
  }
}

export function rememberPrompts(sandbox: string, times: PromptTimes): void {
  try {
    sessionStorage.setItem(key(sandbox), JSON.stringify(times));
  } catch {
    // as above
  }
}
