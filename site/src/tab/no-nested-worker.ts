// v86 looks for Worker when it is loaded, and would make one from a blob to wait in, which a strict content security policy
// forbids. Our worker waits by itself (Emulator.pace), so it hides the constructor. To be imported before v86.
Reflect.deleteProperty(globalThis, 'Worker');

export {};
