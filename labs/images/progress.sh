# How a build talks: a line for each step (what, how far) and a line for its end (how long it took).

say() {
    printf 'images: %s\n' "$*"
}

fail() {
    printf 'images: error: %s\n' "$*" >&2
    exit 1
}

# Seconds since $1 (a value of $EPOCHREALTIME), with one decimal.
seconds_since() {
    local microseconds=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((microseconds / 1000000)) $((microseconds / 100000 % 10))
}

# step TEXT COMMAND…: runs the command as one step of a build. While it runs, a line every ten seconds says that it
# still does, and how much there is in $step_watch by then. Its output is shown only when it fails.
step() {
    local text=$1 began=$EPOCHREALTIME log ticks=0
    shift
    log=$(mktemp)
    say "$text"
    # In the background, since a shell answers a signal only between foreground commands and Ctrl-C must end a download;
    # in a process group of its own (set -m), so that all of it can be ended.
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    step_pid=$!
    set +m
    while kill -0 "$step_pid" 2>/dev/null; do
        sleep 0.1
        ((++ticks % 100)) || say "  still at it: $(seconds_since "$began") s${step_watch:+, $(du -sm "$step_watch" 2>/dev/null | cut -f 1) MB}"
    done
    if ! wait "$step_pid"; then
        step_pid=
        explain_failure "$text" "$log"
    fi
    step_pid=
    rm -f "$log"
    say "  done in $(seconds_since "$began") s"
}

# Ends the build with the one line that names the cause, where the log holds one that is known.
explain_failure() {
    local text=$1 log=$2 cause
    cause=$(sed -n 's/^E: //; /Unable to locate package\|No space left\|Could not resolve\|Failed to fetch\|^images: error: /{p;q}' "$log")
    case $cause in
    'Unable to locate package'*) cause="the mirror has no package ${cause##* }; is BULKHEAD_DEBIAN_MIRROR a Debian 13 mirror?" ;;
    *'Could not resolve'* | *'Failed to fetch'*) cause="$cause; is the mirror in reach? (BULKHEAD_DEBIAN_MIRROR names another)" ;;
    *'No space left'*) cause="the disk is full; free some room, or choose another --out" ;;
    'images: error: '*) cause=${cause#images: error: } ;;
    '') cause=$(tail -n 1 "$log") ;; # an unknown one: its log is shown above the line
    esac
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "$text: $cause"
}

# begin_build DIR: an empty directory to build in, which is gone however the build ends.
begin_build() {
    building=$(mktemp -d "$1/.$work-XXXXXX")
    trap end_build EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

end_build() {
    if [[ ${step_pid-} ]]; then
        kill -- "-$step_pid" 2>/dev/null || true
        while kill -0 -- "-$step_pid" 2>/dev/null; do sleep 0.1; done
    fi
    rm -rf --one-file-system "${building:?}"
}
