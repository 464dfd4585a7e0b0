// A timer that keeps no process alive. In a page no timer does, and there it is a number.

export function quiet<T extends ReturnType<typeof setTimeout>>(timer: T): T {
  if (typeof timer === 'object') timer.unref();
  return timer;
}
