// The kinds of partition and the four walls that each has: the data behind every glyph, drawing and key on the site.
// Levels summarise the comparison matrix (Price and Tucker 2004, Kamp and Watson 2000, the Linux manual pages).

/** One thing that can be divided. The order is the order in which the glyph is read: clockwise from the top. */
export const wallNames = ['names', 'quantities', 'faults', 'privileges'] as const;
export type Wall = (typeof wallNames)[number];

/** `own`: a separate one for each partition. `partly`: divided in some respects. `none`: shared with the neighbours. */
export type Level = 'own' | 'partly' | 'none';
export type Walls = Record<Wall, Level>;

export interface Kind {
  /** As a reader meets it, in running text. */
  label: string;
  walls: Walls;
  /** A hull of its own: separate hardware, not only a separate kernel. */
  hull?: true;
  /** One line for a key: what is had, and what is not. */
  summary: string;
}

export interface WallFacts {
  side: 'top' | 'right' | 'bottom' | 'left';
  /** What the wall keeps apart, as a question about the neighbours. */
  question: string;
  examples: string;
}

export const walls: Record<Wall, WallFacts> = {
  names: {
    side: 'top',
    question: 'What can be seen?',
    examples: 'files, processes, ports, users, the host name',
  },
  quantities: {
    side: 'right',
    question: 'How much can be used?',
    examples: 'processor time, memory, disk and network traffic',
  },
  faults: {
    side: 'bottom',
    question: 'What dies together?',
    examples: 'everything that stands on the same kernel',
  },
  privileges: {
    side: 'left',
    question: 'What may be done?',
    examples: 'root, capabilities, system calls, labels',
  },
};

export const kinds = {
  process: {
    label: 'process',
    walls: { names: 'none', quantities: 'partly', faults: 'none', privileges: 'partly' },
    summary: 'Its own memory and its own user, limits for itself alone; everything else is in plain view.',
  },
  chroot: {
    label: 'chroot',
    walls: { names: 'partly', quantities: 'partly', faults: 'none', privileges: 'partly' },
    summary: 'A process that sees another file tree. Nothing else changes, and root can walk out.',
  },
  jail: {
    label: 'jail',
    walls: { names: 'own', quantities: 'partly', faults: 'none', privileges: 'own' },
    summary: 'Names of its own and a root that stays inside. Limits for the whole group came later.',
  },
  zone: {
    label: 'zone',
    walls: { names: 'own', quantities: 'own', faults: 'none', privileges: 'own' },
    summary: 'A whole small system with limits, on the kernel of the machine.',
  },
  container: {
    label: 'container',
    walls: { names: 'own', quantities: 'own', faults: 'none', privileges: 'own' },
    summary: 'Three walls. The fourth side is the kernel that all containers of the host stand on.',
  },
  vm: {
    label: 'virtual machine',
    walls: { names: 'own', quantities: 'own', faults: 'own', privileges: 'own' },
    summary: 'Four walls: it brings a kernel of its own, and only that kernel falls when it panics.',
  },
  hardware: {
    label: 'hardware partition',
    walls: { names: 'own', quantities: 'own', faults: 'own', privileges: 'own' },
    hull: true,
    summary: 'Its own boards in the same cabinet: not even a broken part is shared.',
  },
  limits: {
    label: 'resource limits',
    walls: { names: 'none', quantities: 'own', faults: 'none', privileges: 'none' },
    summary: 'Only the right wall: a group of processes that may use this much and no more.',
  },
  labels: {
    label: 'labels and filters',
    walls: { names: 'none', quantities: 'none', faults: 'none', privileges: 'own' },
    summary: 'Only the left wall: rules about what may be done, which not even root can lift.',
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof kinds;

/** The facts of a kind, widened so that every kind has the same type. */
export function kindOf(name: KindName): Kind {
  return kinds[name];
}

/** What a glyph says, for those who do not see it. */
export function describeKind(name: KindName): string {
  const kind = kindOf(name);
  const has = (level: Level) => wallNames.filter((wall) => kind.walls[wall] === level);
  const parts = [
    has('own').length > 0 ? `own ${has('own').join(', ')}` : '',
    has('partly').length > 0 ? `partly own ${has('partly').join(', ')}` : '',
    kind.hull ? 'own hardware' : '',
    has('none').length > 0 ? `shared ${has('none').join(', ')}` : '',
  ];
  return `${kind.label}: ${parts.filter((part) => part !== '').join('; ')}`;
}
