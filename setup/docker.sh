#!/usr/bin/env bash
# docker.sh start|wait|stop: a Docker engine where none answers.
#   start  begins to start one and returns (systemd's, or a dockerd of ours)
#   wait   until it answers
#   stop   ends the dockerd that `start` began, and no other
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

log="$state/dockerd.log"
pid_file="$state/dockerd.pid"

# 0: an engine answers (2: and would, to another user); 1: none does.
answers() {
    local code=0
    /usr/bin/python3 setup/docker-answers.py || code=$?
    return "$code"
}

present() {
    local code=0
    answers || code=$?
    [ "$code" != 1 ]
}

# The process id of our dockerd, where it still runs: ids are used again.
ours() {
    local pid
    pid="$(cat "$pid_file" 2>/dev/null)" || return 1
    [ "$(cat "/proc/${pid:-none}/comm" 2>/dev/null)" = dockerd ] || return 1
    # where nobody waits for it, a dead one keeps its name
    ! grep -q '^State:[[:space:]]*[ZX]' "/proc/$pid/status" && printf '%s' "$pid"
}

# Where the kernel has the older tables only, Debian's default iptables fails and its sibling
# works; dockerd gets it under the usual name, and the machine's own choice is left alone.
iptables_folder() {
    as_root iptables -t nat -L -n >/dev/null 2>&1 && return
    if as_root iptables-legacy -t nat -L -n >/dev/null 2>&1; then
        mkdir -p "$state/iptables"
        ln -sfn "$(command -v iptables-legacy)" "$state/iptables/iptables"
        ln -sfn "$(command -v ip6tables-legacy)" "$state/iptables/ip6tables"
        printf '%s' "$state/iptables"
    else
        printf 'none'
    fi
}

# Without systemd nobody may have mounted the control groups, and runc needs them; inside another
# container they are there, but not for writing.
control_groups() {
    [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -d /sys/fs/cgroup/memory ] ||
        as_root mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
        say "warning: control groups could not be mounted"
    local folder
    while read -r folder; do
        as_root mount -o remount,bind,rw "$folder" ||
            say "warning: control groups in $folder are read-only"
    done < <(awk '$3 ~ /^cgroup2?$/ && $4 ~ /^ro(,|$)/ { print $2 }' /proc/mounts)
}

start_dockerd() {
    local dockerd path="$PATH" options=() tables
    dockerd="$(command -v dockerd)" || die "there is no dockerd" "apt-get install docker.io"
    control_groups
    tables="$(iptables_folder)"
    case "$tables" in
        # Published ports still work, through docker-proxy.
        none) options+=(--iptables=false --ip6tables=false) ;;
        ?*) path="$tables:$path" ;;
    esac
    # A socket for whoever runs this, who need not be of the group docker.
    options+=(--group "$(id -g)")
    say "Starting dockerd (its log: $log; \`make stop\` ends it)"
    # Detached in a session of its own, so that no ^C reaches it; no descriptor of ours goes
    # along, or a pipe or lock of ours would stay open as long as it runs.
    # shellcheck disable=SC2016  # expanded by the inner shell
    as_root env PATH="$path" setsid --fork sh -c '
        echo $$ >"$1"; log=$2; shift 2; exec "$@" >"$log" 2>&1 </dev/null 9>&-
    ' sh "$pid_file" "$log" "$dockerd" "${options[@]}"
}

start() {
    present && return
    [ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST"
    if [ -d /run/systemd/system ]; then
        say "Starting Docker (systemctl start docker)"
        as_root systemctl start --no-block docker.service
    elif ! ours >/dev/null; then
        start_dockerd
    fi
}

failed() {
    [ ! -s "$log" ] || tail -n 15 "$log" | sed 's/^/  /' >&2
    die "$1" "the whole log: $log"
}

wait_for() {
    local tries
    for tries in $(seq 300); do
        present && return
        if [ ! -d /run/systemd/system ] && [ "$tries" -gt 10 ] && ! ours >/dev/null; then
            failed "dockerd ended at once"
        fi
        sleep 0.2
    done
    failed "Docker did not answer within a minute"
}

stop() {
    local pid
    pid="$(ours)" || { rm -f "$pid_file"; return; }
    say "Ending dockerd (process $pid)"
    # The shell's own kill: the program is in a package that a bare machine lacks.
    # shellcheck disable=SC2016  # expanded by the inner shell
    as_root sh -c 'kill "$1"' sh "$pid"
    for _ in $(seq 150); do
        ours >/dev/null || break
        sleep 0.2
    done
    ours >/dev/null && die "dockerd (process $pid) does not end" "see $log"
    rm -f "$pid_file"
}

case "${1:-}" in
    start) start ;;
    wait) wait_for ;;
    stop) stop ;;
    *) die "usage: setup/docker.sh start|wait|stop" ;;
esac
