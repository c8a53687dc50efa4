#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes what runs a Java program without Debian's 200 MB for it: the virtual machine with its base module and an archive of its classes,
# and the program.
#
#   guests/debian/make-jre.sh ROOT SOURCE      ROOT: of fetch-programs.sh, with openjdk-17-jdk-headless; SOURCE: NAME.java
#
# It is in ROOT/usr/lib/jre then, NAME.class in its folder `program`. The tools are those of ROOT, which run on this host.
set -eu
root=$1 source=$2
jdk=$root/usr/lib/jvm/java-17-openjdk-amd64 jre=$root/usr/lib/jre
# Its settings are links to /etc, where this host has others, or none: those of ROOT.
find "$jdk" -type l -lname '/etc/*' -exec sh -c 'to=$(readlink "$2") && [ ! -f "$1$to" ] || cp --remove-destination "$1$to" "$2"' - "$root" {} \;
rm -rf "$jre"
"$jdk/bin/jlink" --add-modules java.base --strip-debug --no-header-files --no-man-pages --output "$jre"
rm -f "$jre/bin/keytool" "$jre/lib/jrt-fs.jar"
"$jre/bin/java" -Xshare:dump >"$jre/dump.log" 2>&1 || tail -n 5 "$jre/dump.log" >&2 # of the classes in lib/classlist, most of which another module has
rm -f "$jre/lib/classlist" "$jre/dump.log"
"$jdk/bin/javac" -d "$jre/program" "$source"
[ -s "$jre/lib/server/classes.jsa" ] || { echo "make-jre.sh: $jre/bin/java made no archive of its classes" >&2 && exit 1; }
