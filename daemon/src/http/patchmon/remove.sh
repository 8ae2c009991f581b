#!/bin/sh
# Takes PatchMon's agent away from this host. Run as root. With REMOVE_BACKUPS=1 the copies of older
# programs go too.
#
# Nothing runs before the last line, so a script that was cut short on its way does nothing.

set -eu

binary=/usr/local/bin/patchmon-agent

main() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "remove: this must run as root; put sudo before sh" >&2
        exit 1
    fi
    if [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
        systemctl disable --now patchmon-agent.service >/dev/null 2>&1 || true
    elif command -v rc-service >/dev/null 2>&1; then
        rc-service patchmon-agent stop >/dev/null 2>&1 || true
        rc-update del patchmon-agent >/dev/null 2>&1 || true
    fi
    rm -f /etc/systemd/system/patchmon-agent.service /etc/init.d/patchmon-agent
    rm -rf /etc/systemd/system/patchmon-agent.service.d
    rm -f "$binary"
    rm -rf /etc/patchmon
    if [ "${REMOVE_BACKUPS:-0}" = 1 ]; then
        rm -f "$binary".backup.*
    fi
    if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
    echo "PatchMon's agent is gone from this host. Its row in the console stays until it is removed there."
}

main "$@"
