// bulkhead-monitor: holds one terminal's pty, a ring of its recent output and its attach socket, and outlives the
// broker and the server that asked for it.
//
//   bulkhead-monitor --socket PATH --socket-uid N --socket-gid N [--uid N --gid N] --columns C --rows R
//                    [--ring BYTES] --status-fd FD [--console-socket PATH --pid-file PATH] -- COMMAND ARG...
//
// Without --console-socket it opens a pty and starts COMMAND on it as leader of a session of its own, with the
// environment, working directory and ids the monitor was started with. With --console-socket it listens there and runs
// COMMAND (`bulkhead exec --detach --tty --console-socket PATH --pid-file FILE ...`), which sends the pty's master and
// must end with 0; the program whose pid is then in --pid-file has become the monitor's child (subreaper).
// --pid-file goes with --console-socket and must name the file that COMMAND writes.
//
// --socket        the attach socket: owner and group as given, mode 0660. Attach frames: docs/protocol.md.
// --uid --gid     what the monitor itself becomes once the program runs (no capabilities, no_new_privs, seccomp).
// --status-fd FD  gets exactly one line and is closed: {"pid": program, "monitor": monitor} once the socket accepts
//                 connections, or {"error": "..."} before the monitor exits with 1.
// SOCKET.status   (the socket's path and ".status") gets the same first line, and a second one when the program has
//                 ended: {"exited": {"kind": 0 or 1, "status": N}}: 0 it exited, 1 a signal killed it. The file is only
//                 ever appended to, a whole line a write. A broker watches it by inotify; one that was restarted reads
//                 it first. There is no other way to learn of the end, so both cases are one.
//
// The monitor is a plain child of whoever starts it (which may reap it) in a session of its own; it needs nothing of
// its parent afterwards. When the program has ended it stays, for late viewers. SIGTERM ends it: the master is closed,
// so the terminal's programs get SIGHUP, and the socket, its .status and the console socket are left for the caller.
