#!/usr/bin/env bash
# Install the Debian packages that are missing: packages.sh [PACKAGE…] adds to the list.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

log="$state/apt.log"

wanted=(
    ca-certificates
    docker-registry # the demo's registry, and that of the tests
    git
    mmdebstrap # bootstraps Debian roots
    openssh-client
    python3-venv
    skopeo # the transport to registries
    uidmap # user namespaces, for builds without root
    "$@"
)

# docker.io would drive Docker's own packages out, so it is only for machines without an engine.
if ! command -v dockerd >/dev/null && [ -z "${DOCKER_HOST:-}" ] && ! [ -S /var/run/docker.sock ]; then
    wanted+=(docker.io)
    # Where the kernel enforces AppArmor, Docker needs its parser to start anything.
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
        wanted+=(apparmor)
    fi
fi

installed() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p'
}

missing_of() {
    comm -23 <(printf '%s\n' "$@" | sort -u) <(installed "$@" | sort -u)
}

# apt_get ARGUMENT…: without questions, into a log, with the caller's proxies and certificate.
apt_get() {
    local options=(-qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    local settings=(DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C.UTF-8) name
    for name in http_proxy https_proxy ftp_proxy no_proxy; do
        [ -z "${!name:-}" ] || settings+=("$name=${!name}")
    done
    # apt reads certificates as the user _apt: one that only root can read would break it.
    if [ -r "${SSL_CERT_FILE:-}" ] && as_root runuser -u _apt -- test -r "$SSL_CERT_FILE"; then
        options+=(-o "Acquire::https::CAInfo=$SSL_CERT_FILE")
    fi
    as_root env "${settings[@]}" apt-get "${options[@]}" "$@" >>"$log" 2>&1
}

install_all() {
    apt_get install -y --no-install-recommends --no-remove "$@"
}

# On a machine with systemd, docker-registry's package starts a registry that listens on every
# address and asks nobody who they are. Nothing here uses it.
registry_off() {
    [ -d /run/systemd/system ] || return 0
    as_root systemctl disable --now --quiet docker-registry.service || true
}

command -v apt-get >/dev/null || {
    lacking=()
    for program in git mmdebstrap skopeo docker-registry ssh newuidmap; do
        command -v "$program" >/dev/null || lacking+=("$program")
    done
    [ "${#lacking[@]}" = 0 ] && exit 0
    die "this machine has no apt, and lacks: ${lacking[*]}" "install them, then run this again"
}

mapfile -t missing < <(missing_of "${wanted[@]}")
[ "${#missing[@]}" != 0 ] || exit 0

say "Installing Debian packages: ${missing[*]}"
# The lists may be fresh enough; where they are not, what they name can't be had. An update that
# fails in part (another vendor's archive that can't be reached) may still bring what is needed.
lists_hold() {
    local found
    mapfile -t found < <(apt-cache policy "$@" 2>/dev/null | sed -n 's/^  Candidate: [^(]/x/p')
    [ "${#found[@]}" = "$#" ]
}
rm -f "$log"
if ! { lists_hold "${missing[@]}" && install_all "${missing[@]}"; }; then
    apt_get update || say "warning: apt-get update failed in part (see $log)"
    install_all "${missing[@]}" || {
        tail -n 15 "$log" | sed 's/^/  /' >&2
        die "Debian packages could not be installed: ${missing[*]}" "the whole log: $log"
    }
fi
case " ${missing[*]} " in *" docker-registry "*) registry_off ;; esac
