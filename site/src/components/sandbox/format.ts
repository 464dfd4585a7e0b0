// Numbers as people read them.

/** Milliseconds with as many digits as matter: 0.41 ms, 4.2 ms, 120 ms, 2.6 s. */
export function formatMs(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(ms >= 10_000 ? 0 : 1)} s`;
  return `${ms >= 20 ? Math.round(ms) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** Bytes in binary units: 3.4 MiB. */
export function formatBytes(bytes: number): string {
  const mib = bytes / 1_048_576;
  if (mib >= 1_024) return `${(mib / 1_024).toFixed(1)} GiB`;
  return mib >= 10
    ? `${Math.round(mib)} MiB`
    : mib >= 0.1
      ? `${mib.toFixed(1)} MiB`
      : `${Math.round(bytes / 1_024)} KiB`;
}

/** How long something has run: 14 s, 3 min, 2 h 5 min, 12 days. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** A message as a sentence: a capital at its start, a full stop at its end. */
export function asSentence(text: string): string {
  const trimmed = text.trim();
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}${/[.!?]$/.test(trimmed) ? '' : '.'}`;
}

/** A time of day, as the reader's own clock shows it. */
export function formatTime(unixMs: number): string {
  return new Date(unixMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

/** The same to the second, for what happened a moment ago. */
export function formatClock(unixMs: number): string {
  return new Date(unixMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}
