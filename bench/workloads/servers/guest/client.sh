#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The client in a VM of its own, at 10.0.0.9: a server asks it by HTTP for requests, /cgi-bin/load?REQUESTS, which go to who asks. `bye`, of a
# server: it ends with its VM.
self=10.0.0.9

if [ "${1-}" = bye ]; then
	exec wget -q -O /dev/null http://$self/cgi-bin/bye
fi
mkdir -p /tmp/www/cgi-bin
cat >/tmp/www/cgi-bin/load <<'EOF'
#!/bin/sh
# What asks is at the other end of this connection: an address, or [::ffff:ADDRESS].
printf 'Content-Type: text/plain\r\n\r\n'
server=${REMOTE_ADDR##*:}
folder=$(mktemp -d) && cd "$folder" && dash /work/wordpress.sh load "$QUERY_STRING" "http://${server%]}/" && echo "answered $QUERY_STRING"
rm -rf "$folder"
EOF
cat >/tmp/www/cgi-bin/bye <<'EOF'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
: >/tmp/bye
EOF
chmod +x /tmp/www/cgi-bin/*
httpd -h /tmp/www
echo 'client: waits'
until [ -e /tmp/bye ]; do
	sleep 1
done
poweroff -f
