#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Does test_vm_translations notice a flush that is missing? Each row takes one out of the code; the test has to fail.
#
#   tests/unit/translations_mutants.sh [ROW...]      default: all; B: build folder. Ends with `N passed, N failed`
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
OUT=$B/mutants
mkdir -p "$OUT"

# Name | file below hypervisor/ | sed expression
rows() {
	cat <<-'END'
		arrive          | vm/translations.c    | /^void translations_arrive/,/^}/ s/vmx_flush_all();//
		drop            | vm/translations.c    | /^void translations_drop/,/^}/ s/vmx_flush_all();//
		others          | vm/translations.c    | s/__atomic_fetch_or(&vm->vcpus\[i\]->events, EVENT_FLUSH, __ATOMIC_SEQ_CST)/(void)0/
		wait            | vm/translations.c    | s/sched_wait_out(vm->vcpus\[i\], EVENT_FLUSH)/(void)0/
		ept             | vm/translations.c    | /^void seam_flush_ept(/,/^}/ s/invept(INVEPT_SINGLE, eptp);//
		ept-here        | vm/translations.c    | /^void seam_flush_ept_here/,/^}/ s/invept(INVEPT_SINGLE, eptp);/(void)eptp;/
		vpid            | vm/translations.c    | s/invvpid(INVVPID_SINGLE, vpid02, 0);/(void)vpid02;/
		device-epts     | vm/translations.c    | s/vept_forget(&vcpu->nested);/;/
		all-ept         | vmx/flush.c          | s/invept(INVEPT_GLOBAL, 0);//
		entry-no-vpid   | nested/entry.c       | s/seam_flush_vpid(n, v->vpid02);/;/
		exit-no-vpid    | nested/exit.c        | s/seam_flush_vpid(n, n->vpid01);/;/
		vpid-reused     | nested/nvmcs.c       | s/seam_flush_vpid(n, vpid02);//
		invvpid         | nested/insn_inv.c    | s/seam_flush_vpid(n, (uint16_t)(n->vpid01 + 1 + i));/;/
		dirty-flags     | nested/vept_sync.c   | s/seam_flush_ept(n, n->vm->l0.eptp01, true);/;/
		dirty-others    | nested/vept_sync.c   | s/seam_flush_ept(n, n->vm->l0.eptp01, true);/seam_flush_ept_here(n, n->vm->l0.eptp01);/
		compare         | nested/vept_sync.c   | s/compare_stale(n, budget);//
		changed         | nested/vept_sync.c   | s/while (e->changed\[i\] != 0)/for (e->changed[i] = 0; false;)/
		invept-single   | nested/vept_sync.c   | s/return invalidate_roots(n, eptp12, EPT_ADDRESS);/return invalidate_roots(n, eptp12, UINT64_MAX);/
		cut-waits       | nested/vept_tables.c | s/flush(n, r, !list_empty(&r->cut));/flush(n, r, false);/
		root-drop       | nested/vept.c        | /^static void root_drop/,/^}/ s/root_flush(n, r);/list_move_all(\&e->gone, \&r->cut); e->changed[0] \&= ~BIT64(r - e->root);/
		root-empty      | nested/vept.c        | /^bool root_empty/,/^}/ s/root_flush(n, r);/list_move_all(\&e->gone, \&r->cut); e->changed[0] \&= ~BIT64(r - e->root);/
		remade          | nested/vept.c        | /^static uint32_t descend/,/^}/ s/root_flush(n, root);/list_move_all(\&e->gone, \&root->cut); e->changed[0] \&= ~BIT64(root - e->root);/
		leaf-to-table   | nested/vept.c        | /^static void leaf_set/,/^}/ s/root_flush(n, root);/list_move_all(\&e->gone, \&root->cut); e->changed[0] \&= ~BIT64(root - e->root);/
		scratch-waits   | nested/vept.c        | s/root_flush_all(n, s->root);/root_flush(n, s->root);/
		apic-page       | nested/merge.c       | s/apic_page(v) . apic);/foreign_apic_page(n, v) + 0 * apic);/
	END
}

# mutant NAME FILE EXPRESSION
mutant() {
	local from=hypervisor/$2 to=$OUT/$1-${2##*/} extra=() f
	sed -e "$3" "$from" >"$to"
	cmp -s "$from" "$to" && { echo "fail $1: the expression changes nothing in $from"; return 1; }
	for f in vm/translations.c vmx/flush.c cpu/lock.c; do [ "$f" = "$2" ] || extra+=("hypervisor/$f"); done
	${HOSTCC:-clang} -std=c17 -O1 -w -fsanitize=address,undefined -fno-sanitize-recover=all -Itests/unit/hw -Ihypervisor -Itests/unit tests/unit/test_vm_translations.c "$to" "${extra[@]}" \
		"$B/host/pure.a" -lcmocka -o "$OUT/$1" 2>"$OUT/$1.log" || { echo "fail $1: does not compile"; return 1; }
	if timeout 300 "$OUT/$1" >"$OUT/$1.log" 2>&1; then
		echo "fail $1: the test passes without it ($from)"
		return 1
	fi
	echo "pass $1"
}

make -s "$B/host/pure.a" || exit 2
passed=0 failed=0
while IFS='|' read -r name file expression; do
	name=${name//[[:space:]]/} file=${file//[[:space:]]/}
	[ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
	if mutant "$name" "$file" "${expression# }"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done < <(rows)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
