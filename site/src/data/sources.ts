// Where the facts on the reading pages are from. Every one was opened and read.
export const sources = {
  chroot2: {
    title: 'chroot(2), Linux manual pages',
    url: 'https://man7.org/linux/man-pages/man2/chroot.2.html',
  },
  losh: {
    title: 'Losh, Whither chroot? (2020)',
    url: 'https://bsdimp.blogspot.com/2020/06/whither-chroot.html',
  },
  rlimit: {
    title: 'getrlimit(2), Linux manual pages',
    url: 'https://man7.org/linux/man-pages/man2/getrlimit.2.html',
  },
  namespaces: {
    title: 'clone(2) and unshare(2), Linux manual pages',
    url: 'https://github.com/mkerrisk/man-pages',
  },
  jails: {
    title: 'Kamp and Watson, Jails: Confining the omnipotent root',
    url: 'https://github.com/papers-we-love/papers-we-love',
  },
  zones: {
    title: 'Price and Tucker, Solaris Zones, LISA 2004',
    url: 'https://www.usenix.org/legacy/publications/library/proceedings/lisa04/tech/price.html',
  },
  moby: { title: "Docker's change log up to 1.12", url: 'https://github.com/moby/moby' },
  selinux: {
    title: 'Red Hat on CVE-2019-5736',
    url: 'https://www.redhat.com/en/blog/it-starts-linux-how-red-hat-helping-counter-linux-container-security-flaws',
  },
  npar: { title: 'HP Integrity hard partitions', url: 'https://www.hitpages.com/doc/4509567752863744/33/' },
  venom: {
    title: 'CVE-2015-3456, the VENOM record',
    url: 'https://raw.githubusercontent.com/CVEProject/cvelistV5/main/cves/2015/3xxx/CVE-2015-3456.json',
  },
  gvisor: { title: 'gVisor, architecture and security notes', url: 'https://github.com/google/gvisor' },
  gvisorData: {
    title: 'gVisor, startup.csv and density.csv',
    url: 'https://github.com/google/gvisor/tree/master/website/performance',
  },
  felter: {
    title: 'Felter and others (IBM, 2014), raw logs of the study',
    url: 'https://github.com/thewmf/kvm-docker-comparison',
  },
  firecracker: {
    title: 'Firecracker, SPECIFICATION.md',
    url: 'https://github.com/firecracker-microvm/firecracker/blob/main/SPECIFICATION.md',
  },
  banyan: {
    title: 'BanyanOps on Docker Hub (2015)',
    url: 'http://www.banyanops.com/blog/analyzing-docker-hub/',
  },
  register2020: {
    title: 'The Register on 2,500 images (2020)',
    url: 'https://www.theregister.com/2020/06/15/docker_hub_proves_so_secure/',
  },
  podman: { title: 'Podman, Checkpointing', url: 'https://podman.io/docs/checkpoint' },
  livemig: {
    title: 'Clark and others, Live Migration of Virtual Machines, NSDI 2005',
    url: 'https://github.com/papers-we-love/papers-we-love',
  },
} as const satisfies Record<string, { title: string; url: string }>;

export type SourceKey = keyof typeof sources;
