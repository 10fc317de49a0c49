#!/bin/sh -e
# The SSH server. Its host keys are made here, at the first boot: an image that carried them would
# give every container in the world the same ones.
mkdir -p /run/sshd
chmod 0755 /run/sshd
ssh-keygen -A
exec /usr/sbin/sshd -D -e
