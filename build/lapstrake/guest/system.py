"""The system layer: the top of every image, with what boots it and what describes it.

The programs beside this module run inside images. They are put there as they are, without their
`.py`; what differs between images is data (/etc/lapstrake/image.json) and supervisor's
configuration.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapstrake.definition.deploying import DataSpec
from lapstrake.definition.models import Service
from lapstrake.layers.kinds import FileEntry

# Where things are in the image. `boot` and the others know these paths too.
ENTRYPOINT = ("/usr/bin/tini", "--", "/usr/lib/lapstrake/boot")
PROGRAMS = "/usr/lib/lapstrake"
IMAGE_JSON = "/etc/lapstrake/image.json"
DATA_JSON = "/etc/lapstrake/data.json"
FETCH = "/usr/local/bin/lapstrake-fetch"
SBOM = "/usr/share/lapstrake/sbom.spdx.json"

# sshd takes the first value that it reads: this comes before what else lies in that folder.
SSHD_CONFIG = "/etc/ssh/sshd_config.d/00-lapstrake.conf"

# What the programs and the people in an image are told of a service.
_OF_A_SERVICE: Any = {
    **dict.fromkeys(("name", "command", "env", "directory"), True),
    "ports": {"__all__": {"port", "name", "protocol"}},
}

_PROGRAM_SOURCES = {
    "boot": "boot.py",
    "session": "session.py",
    "service": "service.py",
    "sshd": "sshd.sh",
}

_SUPERVISORD = """\
; One file a service is included below; see also boot, which adds the SSH server.
[unix_http_server]
file=/run/supervisor.sock
chmod=0700

[supervisord]
nodaemon=true
user=root
pidfile=/run/supervisord.pid
; its own words go to its output, and so to the container's
logfile=/dev/null
logfile_maxbytes=0

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix:///run/supervisor.sock

[include]
files=/etc/supervisor/conf.d/*.conf /etc/supervisord/*.ini /run/lapstrake/supervisor/*.conf
"""

_SSHD = """\
# Keys only. Where a key is given, boot starts this server; where none is, nothing listens.
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
GSSAPIAuthentication no
PubkeyAuthentication yes
PermitEmptyPasswords no
PermitRootLogin prohibit-password
UsePAM no
# the second holds root's keys where the first is mounted read-only
AuthorizedKeysFile .ssh/authorized_keys /run/lapstrake/authorized_keys
PermitUserEnvironment no
X11Forwarding no
PrintMotd no
PrintLastLog no
UseDNS no
# gives every session the container's environment
ForceCommand /usr/lib/lapstrake/session
"""

_PROFILE = """\
# Debian's /etc/profile sets PATH anew; a login shell keeps the container's.
for lapstrake_environ in /run/lapstrake/environ /proc/1/environ; do
  if [ -r "$lapstrake_environ" ]; then
    lapstrake_path=$(sed -zn 's/^PATH=//p' "$lapstrake_environ" 2>/dev/null | tr -d '\\0')
    if [ -n "$lapstrake_path" ]; then
      PATH=$lapstrake_path
      export PATH
      break
    fi
  fi
done
unset lapstrake_environ lapstrake_path
"""

_SERVICE = """\
; runs: {shown}
[program:{name}]
command={programs}/service {name}
user={user}
autorestart=true
startretries=999999
stopwaitsecs=6
stopasgroup=true
killasgroup=true
redirect_stderr=true
; the service's logger writes /tmp/{name}.log; this is for what is said before it starts
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
"""


@dataclass(frozen=True)
class SystemSpec:
    """What differs between the system layers of two images: all of it, so that those of two
    images that run and hold the same are one blob.

    Attributes:
        services: what the image runs; at most one is the main one.
        sbom: the software bill of materials, an SPDX document in JSON.
        data: what `lapstrake-fetch` downloads; without any, the image has no such command.
    """

    services: tuple[Service, ...]
    sbom: bytes
    data: tuple[DataSpec, ...] = ()


def system_entries(spec: SystemSpec) -> tuple[FileEntry, ...]:
    """The entries of the image's top layer, sorted by path; without parent folders."""
    here = Path(__file__).parent
    entries = [
        FileEntry.of(f"{PROGRAMS}/{program}", (here / source).read_bytes(), 0o755)
        for program, source in _PROGRAM_SOURCES.items()
    ]
    entries += [
        FileEntry.of(f"/etc/supervisor/conf.d/{s.name}.conf", service_config(s).encode())
        for s in spec.services
    ]
    entries += [
        FileEntry.of("/etc/supervisor/supervisord.conf", _SUPERVISORD.encode()),
        FileEntry.of(SSHD_CONFIG, _SSHD.encode()),
        FileEntry.of("/etc/profile.d/lapstrake.sh", _PROFILE.encode()),
        FileEntry.of(IMAGE_JSON, image_json(spec)),
        FileEntry.of(SBOM, spec.sbom),
    ]
    if spec.data:
        files = [d.model_dump() for d in sorted(spec.data, key=lambda d: d.path)]
        content = json.dumps(files, indent=2, sort_keys=True) + "\n"
        entries.append(FileEntry.of(DATA_JSON, content.encode()))
        entries.append(FileEntry.of(FETCH, (here / "fetch.py").read_bytes(), 0o755))
    return tuple(sorted(entries, key=lambda e: e.path))


def service_config(service: Service) -> str:
    """Supervisor's configuration of one service.

    Its command, environment and folder are not in it: supervisor's format can't hold every
    value (both kinds of quotes, newlines, ` ;`), so the `service` program reads them from
    image.json. The command is shown in a comment, for people.
    """
    shown = " ".join(shlex.join(service.command).splitlines())
    return _SERVICE.format(
        shown=shown, name=service.name, programs=PROGRAMS, user=service.user.replace("%", "%%")
    )


def image_json(spec: SystemSpec) -> bytes:
    """The image's own description: services, and the main one's name or null."""
    main = next((s.name for s in spec.services if s.main), None)
    value = {
        "main": main,
        "services": [
            s.model_dump(mode="json", include=_OF_A_SERVICE)
            for s in sorted(spec.services, key=lambda s: s.name)
        ],
    }
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
