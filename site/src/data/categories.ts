// The rivers of the timeline: kinds of invention, in the order in which they are drawn, from ideas down to hardware.
// A river has a colour of its own only where a kind of partition has one (src/data/kinds.ts).

export const categoryNames = [
  'idea',
  'packaging',
  'os',
  'limits',
  'labels',
  'hypervisor',
  'hardware',
] as const;
export type CategoryName = (typeof categoryNames)[number];

export const categories: Record<CategoryName, { label: string; says: string }> = {
  idea: { label: 'ideas', says: 'papers and announcements that changed what others built' },
  packaging: { label: 'packaging', says: 'tools, images and platforms around partitions' },
  os: { label: 'one kernel', says: 'partitions made by an operating system' },
  limits: { label: 'limits', says: 'how much may be used' },
  labels: { label: 'labels and filters', says: 'what may be done, whoever asks' },
  hypervisor: { label: 'virtual machines', says: 'a kernel each, made by software' },
  hardware: { label: 'hardware', says: 'partitions made by boards, firmware or the processor' },
};
