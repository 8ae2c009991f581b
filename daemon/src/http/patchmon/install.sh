#!/bin/sh
# Points this host's PatchMon agent at @URL@. Run as root. An agent that is installed stays as it is;
# without one its program is fetched from there, if its operator provides it.
#
# Nothing runs before the last line, so a script that was cut short on its way does nothing.

set -eu
umask 077

url='@URL@'
token='@TOKEN@'
arch='@ARCH@'
force='@FORCE@'
binary=/usr/local/bin/patchmon-agent
directory=/etc/patchmon
config=$directory/config.yml
credentials=$directory/credentials.yml
own_ca=$directory/gangplank-ca.pem
unit=/etc/systemd/system/patchmon-agent.service
drop_in=/etc/systemd/system/patchmon-agent.service.d/gangplank.conf

ca() {
    cat <<'GANGPLANK_CA'
@CA@
GANGPLANK_CA
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
systemd() { [ -d /run/systemd/system ] && has systemctl; }

fetch() { # the arguments of curl
    if [ -s "$work/ca.pem" ]; then
        curl -fsS --proto '=https' --cacert "$work/ca.pem" "$@"
    else
        curl -fsS "$@"
    fi
}

field() { # NAME, of a flat JSON object on standard input
    sed -n "s/.*\"$1\":\"\\([A-Za-z0-9_.-]*\\)\".*/\\1/p"
}

unit() {
    cat <<UNIT
[Unit]
Description=PatchMon agent
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=$binary serve
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
UNIT
}

ping() {
    if [ -s "$own_ca" ]; then
        SSL_CERT_FILE=$own_ca "$binary" ping
    else
        "$binary" ping
    fi
}

main() {
    [ "$(id -u)" -eq 0 ] || fail "this must run as root; put sudo before sh"
    has curl || fail "curl is needed"
    if [ "$force" = no ] && [ -x "$binary" ] && [ -f "$config" ] &&
        grep -q "^patchmon_server: *[\"']*$url[\"']*\$" "$config" && ping >/dev/null 2>&1; then
        say "This host's agent is connected to $url already."
        exit 0
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    ca | sed '/^$/d' >"$work/ca.pem"

    # The token goes in by a file, not as an argument that every user of the host could see.
    printf '{"token":"%s"}' "$token" >"$work/token"
    fetch -H 'Content-Type: application/json' --data-binary "@$work/token" \
        "$url/api/v1/hosts/bootstrap/exchange" >"$work/answer" ||
        fail "the token of this script was used before, or is too old: fetch the script again"
    api_id=$(field apiId <"$work/answer")
    api_key=$(field apiKey <"$work/answer")
    [ -n "$api_id" ] && [ -n "$api_key" ] || fail "that server gave no credential"

    if [ ! -x "$binary" ]; then
        say "Fetching the agent ..."
        printf 'X-API-ID: %s\nX-API-KEY: %s\n' "$api_id" "$api_key" >"$work/headers"
        fetch -H "@$work/headers" -o "$work/agent" \
            "$url/api/v1/hosts/agent/download?os=linux&arch=$arch" ||
            fail "that server has no agent for $arch; install PatchMon's agent and run this again"
        chmod 755 "$work/agent"
        cp "$work/agent" "$binary.new"
        mv -f "$binary.new" "$binary"
    fi

    mkdir -p "$directory"
    printf 'api_id: %s\napi_key: %s\n' "$api_id" "$api_key" >"$credentials.new"
    mv -f "$credentials.new" "$credentials"
    if [ -f "$config" ]; then
        cp -p "$config" "$config.before-gangplank"
        sed '/^patchmon_server:/d; /^skip_ssl_verify:/d' "$config" >"$config.new"
    else
        printf 'api_version: v1\ncredentials_file: %s\nlog_level: info\n' "$credentials" >"$config.new"
    fi
    printf 'patchmon_server: %s\nskip_ssl_verify: false\n' "$url" >>"$config.new"
    mv -f "$config.new" "$config"
    if [ -s "$work/ca.pem" ]; then
        cp "$work/ca.pem" "$own_ca"
        chmod 644 "$own_ca"
    fi

    if ! systemd; then
        say "systemd does not run here. Start the agent by your own means:"
        if [ -s "$own_ca" ]; then
            say "  SSL_CERT_FILE=$own_ca $binary serve"
        else
            say "  $binary serve"
        fi
        exit 0
    fi
    [ -f "$unit" ] || unit >"$unit"
    chmod 644 "$unit"
    if [ -s "$own_ca" ]; then
        # The agent trusts what its environment names; its own switch would trust everybody.
        mkdir -p "$(dirname "$drop_in")"
        printf '[Service]\nEnvironment=SSL_CERT_FILE=%s\n' "$own_ca" >"$drop_in"
        chmod 755 "$(dirname "$drop_in")"
        chmod 644 "$drop_in"
    fi
    systemctl daemon-reload
    systemctl enable patchmon-agent.service >/dev/null 2>&1
    systemctl restart patchmon-agent.service
    ping >/dev/null 2>&1 || fail "the agent does not reach $url; see: journalctl -u patchmon-agent"
    say "The agent runs and reports to $url."
}

main "$@"
