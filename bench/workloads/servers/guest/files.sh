#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sqlite on a file system of the disk: `begin` makes and mounts it, `load TRANSACTIONS` works there, each transaction in the journal and on the disk
# when it ends, `end` takes it away.
where=/tmp/disk

case $1 in
begin) mkdir $where && mke2fs -F -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 /dev/vda && mount -t ext4 /dev/vda $where ;;
load)
	db=$where/$(basename "$PWD")
	rm -f "$db"
	{
		echo 'CREATE TABLE t(k INTEGER PRIMARY KEY, name TEXT, n INTEGER); CREATE INDEX by_name ON t(name);'
		i=0
		while [ $i -lt "$2" ]; do
			i=$((i + 1))
			echo "INSERT INTO t(name, n) VALUES ('name$((i * 7919 % 4001))', $i);"
		done
		echo 'SELECT count(*) FROM t;'
	} | sqlite3 "$db" >rows && grep -q "^$2\$" rows
	;;
end) umount $where && rmdir $where ;;
esac
