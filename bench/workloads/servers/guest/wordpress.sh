#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A site of WordPress: Apache with PHP, and MariaDB. `begin` installs and starts it, `load REQUESTS [SITE]` asks for its front page,
# `ask REQUESTS` has the client in another VM do so (client.sh), `end` stops it.
data=/var/lib/mysql site=http://localhost/
sql=/usr/share/mysql/mysql client=10.0.0.9

fail() {
	echo "wordpress.sh: $1"
	shift
	[ $# = 0 ] || tail -n 10 "$@"
	exit 1
}

# For a minute.
await() { # COMMAND...
	tries=0
	until "$@" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
		sleep 0.1
	done
}

database() {
	mkdir -p $data /run/mysqld
	chown mysql:mysql $data /run/mysqld
	{
		printf '%s;\n' 'CREATE DATABASE mysql' 'USE mysql' 'SET @auth_root_socket = NULL' # a line each
		cat ${sql}_system_tables.sql ${sql}_performance_tables.sql ${sql}_system_tables_data.sql
	} >/tmp/tables.sql
	mariadbd --defaults-file=/work/mariadb.cnf --bootstrap </tmp/tables.sql >/tmp/bootstrap 2>&1 || fail 'no database' /tmp/bootstrap
	mariadbd --defaults-file=/work/mariadb.cnf --init-file=/work/database.sql --pid-file=/run/mysqld/mysqld.pid >/tmp/mariadbd 2>&1 &
	await [ -s /run/mysqld/mysqld.pid ] || fail 'the database does not start' /tmp/mariadbd
}

begin() {
	ifconfig lo 127.0.0.1 up
	database
	mkdir -p /etc/wordpress
	cp /work/config-localhost.php /etc/wordpress/
	php8.2 /work/install.php >/tmp/install 2>&1
	grep -q '^installed$' /tmp/install || fail 'WordPress is not installed' /tmp/install
	apache2 -f /work/httpd.conf || fail 'no web server' /tmp/error_log
	await wget -q -O /tmp/page $site || fail 'the web server does not answer' /tmp/error_log
	grep -q 'Measured by its front page' /tmp/page || fail 'that is no front page' /tmp/page /tmp/error_log
	! grep 'PHP [A-Z]' /tmp/error_log || fail 'PHP has complained'
}

load() { # REQUESTS [SITE]: where else than here it is
	ab -l -q -n "$1" -H 'Host: localhost' "${2-$site}" >result 2>&1 || fail 'the client has failed' result
	grep -q "^Complete requests: *$1\$" result || fail 'requests have not been answered' result /tmp/error_log
	! grep -E '^Failed requests: *[1-9]|^Non-2xx' result || fail 'requests have failed' result /tmp/error_log
}

ask() { # REQUESTS
	wget -q -O answer "http://$client/cgi-bin/load?$1" || fail 'the client does not answer'
	grep -q "^answered $1\$" answer || fail 'the client has failed' answer /tmp/error_log
}

end() {
	for pid in /run/apache2.pid /run/mysqld/mysqld.pid; do
		read -r id <$pid && kill "$id"
		await [ ! -e $pid ] || fail "what has $pid does not end"
	done
	rm -rf $data
}

"$@"
