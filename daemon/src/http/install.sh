#!/bin/sh
# Installs the Gangplank agent on this host and enrols it. Run as root:
#
#   sh install.sh              install, or upgrade what is there; reads the one-time token from stdin
#   sh install.sh --dry-run    say what would be done, and do nothing
#   sh install.sh --uninstall  take everything away again
#
# With --update-key KEY the agent may later be updated from the server to releases that this key
# signed, and to nothing else.
#
# Nothing runs before the last line, so a script that was cut short on its way does nothing.

set -eu
umask 077

url='@URL@'
fingerprint='@FINGERPRINT@'
binary=/usr/bin/gangplank-agent
config=/etc/gangplank/agent.toml
lock=/etc/gangplank/agent.lock
journal=/etc/gangplank/agent.jobs
telemetry=/etc/gangplank/agent.telemetry
updates=/etc/gangplank/agent.update
own_ca=/etc/gangplank/agent.ca.pem
unit=/etc/systemd/system/gangplank-agent.service
helper_socket=/etc/systemd/system/gangplank-agent-helper.socket
helper_service=/etc/systemd/system/gangplank-agent-helper.service
helper_policy=/etc/gangplank/helper.toml
user=gangplank-agent
service=gangplank-agent.service

ca() {
    cat <<'GANGPLANK_CA'
@CA@
GANGPLANK_CA
}

hashes() {
    cat <<'GANGPLANK_HASHES'
@HASHES@
GANGPLANK_HASHES
}

unit() {
    cat <<'GANGPLANK_UNIT'
@UNIT@
GANGPLANK_UNIT
}

helper_socket_unit() {
    cat <<'GANGPLANK_UNIT'
@HELPER_SOCKET@
GANGPLANK_UNIT
}

helper_service_unit() {
    cat <<'GANGPLANK_UNIT'
@HELPER_SERVICE@
GANGPLANK_UNIT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
systemd() { [ -d /run/systemd/system ] && has systemctl; }

target() {
    case "$(uname -s)" in
        Linux) ;;
        *) fail "there is no agent for $(uname -s)" ;;
    esac
    case "$(uname -m)" in
        x86_64 | amd64) machine=x86_64 ;;
        aarch64 | arm64) machine=aarch64 ;;
        *) fail "there is no agent for $(uname -m)" ;;
    esac
    libc=gnu
    if ls /lib/ld-musl-* >/dev/null 2>&1; then libc=musl; fi
    printf '%s-unknown-linux-%s' "$machine" "$libc"
}

fetch() { # URL FILE
    if has curl; then
        if [ -n "$fingerprint" ]; then
            curl -fsS --proto '=https' --cacert "$work/ca.pem" -o "$2" "$1"
        else
            curl -fsS -o "$2" "$1"
        fi
    elif has wget; then
        if [ -n "$fingerprint" ]; then
            wget -q --ca-certificate="$work/ca.pem" -O "$2" "$1"
        else
            wget -q -O "$2" "$1"
        fi
    else
        fail "neither curl nor wget is here; install one of them"
    fi
}

uninstall() {
    if systemd; then
        for each in "$service" "${helper_socket##*/}" "${helper_service##*/}"; do
            systemctl disable --now "$each" >/dev/null 2>&1 || true
        done
    fi
    rm -f "$unit" "$helper_socket" "$helper_service" "$binary"
    rm -f "$config" "$lock" "$own_ca" "$helper_policy"
    rm -rf "$journal" "$telemetry"
    # Its floor stays: it keeps this host from being brought back to an older version.
    rm -rf "$updates/versions" "$updates/incoming"
    rm -f "$updates/state.json"
    rmdir "$updates" 2>/dev/null || true
    if systemd; then systemctl daemon-reload; fi
    say "The Gangplank agent is gone from this host. Its row in the console stays until it is removed there."
}

roll_back() {
    say "Something went wrong; putting everything back." >&2
    if systemd; then systemctl stop "$service" >/dev/null 2>&1 || true; fi
    if [ -f "$work/old-binary" ]; then
        cp -p "$work/old-binary" "$binary"
        if systemd; then systemctl start "$service" >/dev/null 2>&1 || true; fi
    else
        rm -f "$binary" "$unit" "$helper_socket" "$helper_service"
        if [ "$enrolled" = yes ]; then
            rm -f "$config" "$lock" "$own_ca"
            rm -rf "$journal" "$telemetry" "$updates"
        fi
        if systemd; then
            systemctl disable "$service" >/dev/null 2>&1 || true
            systemctl daemon-reload || true
        fi
    fi
}

finish() {
    status=$?
    trap - EXIT
    if [ "$status" -ne 0 ] && [ "$changed" = yes ]; then roll_back; fi
    rm -rf "$work"
    exit "$status"
}

main() {
    mode=install
    key=
    while [ "$#" -gt 0 ]; do
        case "$1" in
            --dry-run) mode=dry-run ;;
            --uninstall) mode=uninstall ;;
            --update-key)
                [ "$#" -gt 1 ] || fail "--update-key needs a key"
                shift
                key=$1
                ;;
            -h | --help)
                say "usage: sh install.sh [--dry-run | --uninstall] [--update-key KEY]; the one-time token goes in by stdin"
                exit 0
                ;;
            *) fail "'$1' is not understood; try --help" ;;
        esac
        shift
    done

    wanted=$(target)
    expected=$(hashes | while read -r name hash; do
        if [ "$name" = "$wanted" ]; then printf '%s' "$hash"; fi
    done)

    if [ "$mode" = dry-run ]; then
        say "This would, from $url:"
        say "  fetch the agent for $wanted to $binary${expected:+ (sha256 $expected)}"
        [ -n "$expected" ] || say "  ... which that server does not have"
        say "  enrol this host with the token from standard input, into $config"
        say "  make the user $user and start $service"
        exit 0
    fi
    [ "$(id -u)" -eq 0 ] || fail "this must run as root; put sudo before sh"
    if [ "$mode" = uninstall ]; then
        uninstall
        exit 0
    fi
    [ -n "$expected" ] || fail "that server has no agent for $wanted; see its page on enrolling"

    changed=no
    enrolled=no
    work=$(mktemp -d)
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    ca >"$work/ca.pem"

    say "Fetching the agent for $wanted ..."
    fetch "$url/api/v1/agent/download?target=$wanted" "$work/agent"
    got=$(sha256sum "$work/agent" | cut -c1-64)
    [ "$got" = "$expected" ] || fail "the agent that came is not the one that was promised"
    chmod 755 "$work/agent"

    changed=yes
    if [ -f "$binary" ]; then cp -p "$binary" "$work/old-binary"; fi
    cp "$work/agent" "$binary.new"
    chmod 755 "$binary.new"
    mv -f "$binary.new" "$binary"

    if ! id "$user" >/dev/null 2>&1; then
        if has useradd; then
            useradd --system --home-dir /var/lib/gangplank-agent --shell /usr/sbin/nologin "$user"
        else
            adduser -S -H -s /sbin/nologin "$user"
        fi
    fi
    mkdir -p /etc/gangplank
    chmod 755 /etc/gangplank
    # The agent may write its lock, its journal, what it measured and what it is updated to, and nothing
    # else beside its configuration.
    for directory in "$journal" "$telemetry" "$updates"; do
        mkdir -p "$directory"
        chmod 700 "$directory"
        chown -R "$user" "$directory"
    done
    for file in "$config" "$lock"; do
        [ -e "$file" ] || : >"$file"
        chmod 600 "$file"
        chown "$user" "$file"
    done
    if [ -s "$config" ]; then
        say "This host is enrolled already; keeping $config."
    else
        say "Enrolling with $url ..."
        enrolled=yes
        set -- enroll --server "$url" --token-file - --config "$config"
        if [ -n "$fingerprint" ]; then set -- "$@" --ca "$work/ca.pem"; fi
        if [ -n "$key" ]; then set -- "$@" --update-key "$key"; fi
        "$binary" "$@"
        chown "$user" "$config"
        if [ -f "$own_ca" ]; then chmod 644 "$own_ca"; fi
    fi

    if ! systemd; then
        say "systemd does not run here. Start the agent by your own means, as the user $user:"
        say "  $binary run --config $config"
        exit 0
    fi
    unit >"$unit"
    # It is there to be switched on, by the host's owner alone.
    helper_socket_unit >"$helper_socket"
    helper_service_unit >"$helper_service"
    chmod 644 "$unit" "$helper_socket" "$helper_service"
    systemctl daemon-reload
    systemctl enable "$service" >/dev/null 2>&1
    systemctl restart "$service"
    say "Waiting until it is connected ..."
    tries=0
    # The unit is active as soon as the agent tries; its lock says when it got through.
    until grep -qx connected "$lock" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -le 30 ] || fail "the agent does not connect; see: journalctl -u $service"
        sleep 1
    done
    say "The agent runs and this host is connected. It is in the console now."
}

main "$@"
