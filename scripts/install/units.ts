// The systemd units of an installation. Three, because each is to be started again without the others: the server, the
// broker, and what must outlive both.
import { join } from 'node:path';

export interface Place {
  /** Where the programs are, such as /usr/local/lib/bulkhead. */
  programs: string;
  /** The configuration file. */
  config: string;
  state: string;
  /** The server's user and group. */
  user: string;
}

/** Where the machines' cgroups are below systemd's tree; they outlive the broker's. */
const MACHINES = 'bulkhead.slice/bulkhead-machines.service';

/** By file name. */
export const units = (place: Place): Record<string, string> => ({
  'bulkhead-machines.service': machines,
  'bulkheadd.service': broker(place),
  'bulkhead-server.service': server(place),
});

// A service without a process: what it has is a cgroup that is ours to divide (Delegate=), and what it does is to be
// stopped last. A slice could not be delegated, and a scope would end with its last process. systemd leaves an empty
// group of an active service alone; nor does it kill, when the service stops, what it did not start, so that is said here.
// The pattern passes over the group .control, in which systemd runs the very command.
const machines = `[Unit]
Description=Bulkhead: the learners' machines and the monitors of their terminals

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
Slice=bulkhead.slice
Delegate=yes
# Stopping this service ends every machine.
ExecStop=/bin/sh -c 'for group in /sys/fs/cgroup/${MACHINES}/*/; do echo 1 >"$$group/cgroup.kill"; while grep -q "populated 1" "$$group/cgroup.events"; do sleep 0.1; done; done'
`;

const operate = ({ programs }: Place, args: string): string =>
  `${join(programs, 'bin/node')} ${join(programs, 'sandbox-server/src/operator/main.ts')} ${args}`;

// Root, with what making containers and VMs takes. Nothing here may install a seccomp filter: machines would inherit it
// and their own is exact; and no mount namespace, for mounts must be seen by a broker that is started again.
const broker = (place: Place): string => `[Unit]
Description=Bulkhead: the broker, the only privileged service
Requires=bulkhead-machines.service
After=bulkhead-machines.service

[Service]
Type=exec
Slice=bulkhead.slice
RuntimeDirectory=bulkheadd
RuntimeDirectoryMode=0700
# Read as the server's user, whose ids are among the options; a mistake in the file starts nothing.
ExecStartPre=/bin/sh -c 'exec setpriv --reuid ${place.user} --regid ${place.user} --clear-groups ${operate(place, `config broker ${place.config}`)} >/run/bulkheadd/options'
EnvironmentFile=-/run/bulkheadd/options
ExecStart=${join(place.programs, 'bin/bulkheadd')} --keep-machines --cgroup ${MACHINES} $BULKHEAD_BROKER_OPTIONS
# The broker alone is ended. Machines and monitors are in ${MACHINES}; jobs that are at work finish.
KillMode=process
Restart=always
RestartSec=1
LimitNOFILE=65536
TasksMax=infinity
OOMScoreAdjust=-900
CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_TIME CAP_SYS_BOOT CAP_SYS_RAWIO CAP_SYSLOG CAP_WAKE_ALARM CAP_LINUX_IMMUTABLE
KeyringMode=private
UMask=0022

[Install]
WantedBy=multi-user.target
`;

// Whoever takes the server over is to have what its user has, and no way to more.
const server = (place: Place): string => `[Unit]
Description=Bulkhead: the site, the API and the terminals
Wants=bulkheadd.service
After=bulkheadd.service network.target

[Service]
Type=exec
Slice=bulkhead.slice
User=${place.user}
Group=${place.user}
ExecStart=${join(place.programs, 'bin/node')} ${join(place.programs, 'sandbox-server/src/main.ts')} --config ${place.config}
Environment=NODE_ENV=production
Restart=always
RestartSec=1
# Requests under way are finished first: ten seconds at most.
TimeoutStopSec=20
LimitNOFILE=65536
StateDirectory=bulkhead/server
StateDirectoryMode=0700
UMask=0077

CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
DevicePolicy=closed
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute=: V8 compiles as it runs.

[Install]
WantedBy=multi-user.target
`;
