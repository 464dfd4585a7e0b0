// Addresses of the API and close codes of the attach WebSocket: all that a page needs before anything has been started,
// so no schema library comes with them.

/** Close codes of the attach WebSocket. A page comes back by itself after 1001, 1006 and 4000; the others are final. */
export const attachClose = {
  /** The terminal's program ended; EXIT was sent before. */
  exited: 1000,
  /** The server is being stopped or restarted: attach again, nothing is lost. */
  serverStops: 1001,
  /** The stream to the monitor broke: attach again. */
  lost: 4000,
  /** The page broke the attach protocol; the reason says how. */
  protocol: 4400,
  /** Who only watches typed, or may not even watch any more; the reason says which. */
  forbidden: 4403,
  /** The terminal, its machine or its sandbox is gone. */
  gone: 4404,
  /** More than one viewer may have: 16 in a terminal. */
  tooMany: 4429,
} as const;

/** The addresses of the API, so that neither end spells one twice. */
export const apiPaths = {
  status: '/api/status',
  sandboxes: '/api/sandboxes',
  sandbox: (id: string) => `/api/sandboxes/${id}`,
  ticket: (id: string) => `/api/queue/${id}`,
  ticketEvents: (id: string) => `/api/queue/${id}/events`,
  extend: (id: string) => `/api/sandboxes/${id}/extend`,
  /** `view`: machines whose host's view is wanted too. */
  events: (id: string, view: readonly string[] = []) =>
    `/api/sandboxes/${id}/events${view.length > 0 ? `?view=${view.join(',')}` : ''}`,
  view: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/view`,
  terminals: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/terminals`,
  restart: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/restart`,
  freeze: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/freeze`,
  thaw: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/thaw`,
  previews: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/previews`,
  exec: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/exec`,
  /** GET takes `path` and `offset` as its query, PUT takes them in its body. */
  files: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/files`,
  directory: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/directory`,
  migration: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/migration`,
  snapshots: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/snapshots`,
  snapshot: (id: string, machine: string, snapshot: string) =>
    `/api/sandboxes/${id}/machines/${machine}/snapshots/${snapshot}`,
  checkpoints: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/checkpoints`,
  checkpoint: (id: string, machine: string, checkpoint: string) =>
    `/api/sandboxes/${id}/machines/${machine}/checkpoints/${checkpoint}`,
  move: (id: string, machine: string) => `/api/sandboxes/${id}/machines/${machine}/move`,
  /** `as` in its query: `watch` or `type`; a learner types and an instructor watches unless stated. */
  attach: (id: string, machine: string, terminal: string) =>
    `/api/sandboxes/${id}/machines/${machine}/terminals/${terminal}/attach`,
  labs: '/api/labs',
  solution: (lab: string, step: string) => `/api/labs/${lab}/steps/${step}/solve`,
  checks: (id: string) => `/api/sandboxes/${id}/checks`,
  check: (id: string, step: string) => `/api/sandboxes/${id}/steps/${step}/check`,
  solve: (id: string, step: string) => `/api/sandboxes/${id}/steps/${step}/solve`,
  me: '/api/me',
  progress: '/api/progress',
  recoveryCode: '/api/recovery-code',
  recover: '/api/recover',
  workshops: '/api/workshops',
  joinWorkshop: '/api/workshops/join',
  workshop: (id: string) => `/api/workshops/${id}`,
  workshopHelpers: (id: string) => `/api/workshops/${id}/helpers`,
  attendance: (id: string) => `/api/workshops/${id}/attendance`,
} as const;
