#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Do test_vm_translations and those beside it notice a flush that is missing? Each row takes one out of the code; the test
# has to fail.
#
#   tests/unit/translations_mutants.sh [ROW...]      default: all; B: build folder. Ends with `N passed, N failed`
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${B:-build}
OUT=$B/mutants
mkdir -p "$OUT"

# Name | test behind test_vm_translations | file below hypervisor/ | sed expression
rows() {
	cat <<-'END'
		arrive          |      | vm/translations.c    | /^void translations_arrive/,/^}/ s/vmx_flush_all();//
		drop            |      | vm/translations.c    | /^void translations_drop/,/^}/ s/vmx_flush_all();//
		others          |      | vm/translations.c    | s/__atomic_fetch_or(&vm->vcpus\[i\]->events, EVENT_FLUSH, __ATOMIC_SEQ_CST)/(void)0/
		wait            |      | vm/translations.c    | s/sched_wait_out(vm->vcpus\[i\], EVENT_FLUSH)/(void)0/
		ept             |      | vm/translations.c    | /^void seam_flush_ept(/,/^}/ s/invept(INVEPT_SINGLE, eptp);//
		ept-here        |      | vm/translations.c    | /^void seam_flush_ept_here/,/^}/ s/invept(INVEPT_SINGLE, eptp);/(void)eptp;/
		vpid            |      | vm/translations.c    | s/invvpid(INVVPID_SINGLE, vpid02, 0);/(void)vpid02;/
		device-epts     |      | vm/translations.c    | s/vept_forget(&vcpu->nested);/;/
		all-ept         |      | vmx/flush.c          | s/invept(INVEPT_GLOBAL, 0);//
		entry-no-vpid   |      | nested/entry.c       | s/seam_flush_vpid(n, v->vpid02);/;/
		exit-no-vpid    |      | nested/exit.c        | s/seam_flush_vpid(n, n->vpid01);/;/
		vpid-reused     |      | nested/nvmcs.c       | s/seam_flush_vpid(n, vpid02);//
		invvpid         |      | nested/insn_inv.c    | s/seam_flush_vpid(n, (uint16_t)(n->vpid01 + 1 + i));/;/
		dirty-flags     |      | nested/vept_sync.c   | s/seam_flush_ept(n, n->vm->l0.eptp01, true);/;/
		dirty-others    |      | nested/vept_sync.c   | s/seam_flush_ept(n, n->vm->l0.eptp01, true);/seam_flush_ept_here(n, n->vm->l0.eptp01);/
		close           |      | nested/vept_closed.c | s/seam_flush_ept(n, n->vm->l0.eptp01, true);/;/
		close-others    |      | nested/vept_closed.c | s/seam_flush_ept(n, n->vm->l0.eptp01, true);/seam_flush_ept_here(n, n->vm->l0.eptp01);/
		compare         |      | nested/vept_sync.c   | s/compare_stale(n, budget);//
		changed         |      | nested/vept_sync.c   | s/while (e->changed\[i\] != 0)/for (e->changed[i] = 0; false;)/
		invept-single   |      | nested/vept_sync.c   | s/return invalidate_roots(n, eptp12, EPT_ADDRESS);/return invalidate_roots(n, eptp12, UINT64_MAX);/
		cut-waits       |      | nested/vept_tables.c | s/flush(n, r, !list_empty(&r->cut));/flush(n, r, false);/
		root-drop       |      | nested/vept.c        | /^static void root_drop/,/^}/ s/root_flush(n, r);/list_move_all(\&e->gone, \&r->cut); e->changed[0] \&= ~BIT64(r - e->root);/
		root-empty      |      | nested/vept.c        | /^bool root_empty/,/^}/ s/root_flush(n, r);/list_move_all(\&e->gone, \&r->cut); e->changed[0] \&= ~BIT64(r - e->root);/
		remade          |      | nested/vept.c        | /^static uint32_t descend/,/^}/ s/root_flush(n, root);/list_move_all(\&e->gone, \&root->cut); e->changed[0] \&= ~BIT64(root - e->root);/
		leaf-to-table   |      | nested/vept.c        | /^static void leaf_set/,/^}/ s/root_flush(n, root);/list_move_all(\&e->gone, \&root->cut); e->changed[0] \&= ~BIT64(root - e->root);/
		scratch-waits   |      | nested/vept.c        | s/root_flush_all(n, s->root);/root_flush(n, s->root);/
		apic-page       |      | nested/merge.c       | s/apic_page(v) . apic);/(is_ram(n, apic_page(v)) ? 0 : apic_page(v)) + 0 * apic);/
		l2-view-close   |       | nested/vept.c         | /^void vept_view_close/,/^}/ s/root_flush(n, root);/;/
		own-see         | _own | vm/ram_give.c        | /^static void see(/,/^}/ s/vmx_flush_all();//
		own-see-window  | _own | vm/ram_give.c        | /^static void see(/,/^}/ s/write_cr3(read_cr3());//
		own-arrive      | _own | vm/translations.c    | /^void translations_arrive/,/^}/ s/vmx_flush_all();//
		own-window      | _own | vm/translations.c    | s/ram_flush_window(vcpu->vm);//
		own-forget      | _own | vm/ram_give.c        | /^static void forget(/,/^}/ s/vept_forget(&vcpu->nested);//
		own-forgets     | _own | vm/ram_give.c        | s/return !r->forgets;/return true;/
		own-rounds      | _own | vm/ram_give.c        | s/if (__atomic_load_n(&r->seen\[i\], __ATOMIC_SEQ_CST) != r->round)/if (false)/
		own-keep        | _own | vm/ram_give.c        | /^static void unmap_going/,/^}/ s/r->chunk\[i\].flags & RAM_KEEP/false/
		own-tables      | _own | vm/ram_give.c        | s/vept_has_tables(&vm->nested_vm->vept, ram_gpa(vm->ram, i), CHUNK_SIZE)/false/
		own-holds       | _own | vm/seam_nested.c     | s/ram_holds_table(vm, offset);/;/
		own-in-ept02    | _own | vm/ram.c             | s/r->chunk\[i\].flags |= RAM_IN_EPT02;//
		own-all-roots   | _own | nested/vept.c        | /^void vept_forget/,/^}/ s/i < e->roots/i < 1/
		own-root-empty  | _own | nested/vept.c        | /^bool root_empty/,/^}/ s/root_flush(n, r);/list_move_all(\&e->gone, \&r->cut); e->changed[0] \&= ~BIT64(r - e->root);/
		own-root-drop   | _own | nested/vept.c        | /^static void root_drop/,/^}/ s/root_flush(n, r);/list_move_all(\&e->gone, \&r->cut); e->changed[0] \&= ~BIT64(r - e->root);/
		own-remade      | _own | nested/vept.c        | /^static uint32_t descend/,/^}/ s/root_flush(n, root);/list_move_all(\&e->gone, \&root->cut); e->changed[0] \&= ~BIT64(root - e->root);/
		own-cut-waits   | _own | nested/vept_tables.c | s/flush(n, r, !list_empty(&r->cut));/flush(n, r, false);/
		own-ept-others  | _own | vm/translations.c    | /^void seam_flush_ept(/,/^}/ s/vm_flush_others(vcpu->vm, vcpu, wait);/;/
		own-changed     | _own | nested/vept_sync.c   | s/while (e->changed\[i\] != 0)/for (e->changed[i] = 0; false;)/
		own-ept01       | _own | vm/ram_give.c        | s/ept_chunk_clear(&vm->ept01, ram_gpa(r, i));//
		own-pde         | _own | vm/ram_give.c        | s/__atomic_store_n(&r->pde\[i\], 0, __ATOMIC_RELEASE);//
		own-pde-at-end  | _own | vm/ram_host.c        | s/r->pde\[i\] = 0;//
		own-spaces      | _own | vm/sched.c           | /^void sched_use_address_space/,/^}/ s/if (read_cr3() == cr3)/if (read_cr3() == cr3 || cr3 == sched_boot_space)/
		own-sleep       | _own | vm/sched.c           | /^static void sleep_until/,/^}/ s/sched_use_address_space(sched_boot_space);/;/
		own-move        | _own | vm/balance.c         | /^static void move(/,/^}/ s/sched_use_address_space(stays/(void)(stays/
		own-retire      | _own | vm/sched.c           | /^static void retire(/,/^}/ s/sched_use_address_space(sched_boot_space);//
		own-making      | _own | vm/vm.c              | /^void vm_memory_enter/,/^}/ { s/ram_show_window(window_of(m), m->making/ram_show_window(window_of(m), sched_boot_space/; s/sched_use_address_space(m->making);/write_cr3(read_cr3());/ }
		own-unshare     | _own | vm/ram_host.c        | s/paging_unshare(cr3, window + i \* TOP_ENTRY);//
		own-made-part   | _own | vm/ram_host.c        | /^struct vm_ram \*ram_create/,/^}/ s/ram_destroy(r, m->cr3);//
		own-follow      | _own | vm/vm.c              | s/paging_follow(m->making, sched_boot_space);//
		pat-types       | _pat | cpu/percpu.c         | /^static void set_pat/,/^}/ s/write_cr3(read_cr3()); \/\*.*//
		pat-caches      | _pat | cpu/percpu.c         | /^static void set_pat/,/^}/ s/wbinvd();//
		pat-again       | _pat | cpu/percpu.c         | /^static void set_pat/,/^}/ s/^\twrite_cr3(read_cr3());$//
		pat-other       | _pat | cpu/percpu.c         | s/c->firmware_pat == PAT_RESET/true/
		view-close      | _view | vm/debugger_pages.c | /^static void close(/,/^}/ s/invept(INVEPT_SINGLE, m->eptp);/;/
		view-empty      | _view | vm/debugger_pages.c | /^static void empty_view(/,/^}/ s/invept(INVEPT_SINGLE, m->eptp);//
		view-filled     | _view | vm/debugger_pages.c | /^static bool violation_01/,/^}/ s/invept(INVEPT_SINGLE, m->eptp);/;/
		view-changes    | _view | vm/debugger_pages.c | s/if (m->ept_changes != changes)/if (false)/
		view-renew      | _view | vm/debugger_pages.c | /^static void renew(/,/^}/ s/empty_view(m);//
		view-arrive     | _view | vm/translations.c   | /^void translations_arrive/,/^}/ s/vmx_flush_all();//
		apic-here       | _view | vm/apicv.c          | s/ept_flush(&vm->ept01);//
		apic-others     | _view | vm/apicv.c          | s/vm_flush_others(vm, vcpu, .*);//
		apic-l2         | _view | vm/apicv.c          | s/hide_page(vcpu, 1, 0);/;/
	END
}

# sources TEST, flags TEST
sources() { make -s --eval "p-it: ; @echo \$(UNIT_EXTRA_test_vm_translations$1)" p-it; }
flags() { make -s --eval "p-it: ; @echo \$(UNIT_FLAGS_test_vm_translations$1)" p-it; }

# compile FILE OBJECT TEST: a file of the hypervisor, or the test
compile() {
	# shellcheck disable=SC2046  # words
	${HOSTCC:-clang} -std=c17 -O1 -w -fsanitize=address,undefined -fno-sanitize-recover=all $(flags "$3" | sed 's/-Wl[^ ]*//') \
		-Ihypervisor -Itests/unit -I"hypervisor/$(dirname "${1#hypervisor/}")" -c "$1" -o "$2"
}

# What does not change, once for each test.
prepare() {
	local f
	rm -rf "$OUT/test$1" && mkdir -p "$OUT/test$1"
	for f in "tests/unit/test_vm_translations$1.c" $(sources "$1"); do
		compile "$f" "$OUT/test$1/$(tr / - <<<"${f%.c}").o" "$1" || return 1
	done
}

# mutant NAME TEST FILE EXPRESSION
mutant() {
	local from=hypervisor/$3 to=$OUT/$1-${3##*/} own objects
	sed -e "$4" "$from" >"$to"
	cmp -s "$from" "$to" && { echo "fail $1: the expression changes nothing in $from"; return 1; }
	[ -d "$OUT/test$2" ] || prepare "$2" || { echo "fail $1: test_vm_translations$2 does not compile"; return 1; }
	own=$(tr / - <<<"${from%.c}").o
	mapfile -t objects < <(find "$OUT/test$2" -name '*.o' ! -name "$own")
	# shellcheck disable=SC2046  # words
	{ compile "$to" "$to.o" "$2" && ${HOSTCC:-clang} -fsanitize=address,undefined $(flags "$2" | grep -o -- '-Wl[^ ]*') \
		"${objects[@]}" "$to.o" "$B/host/pure.a" -lcmocka -lpthread -o "$OUT/$1"; } 2>"$OUT/$1.log" ||
		{ echo "fail $1: does not compile"; return 1; }
	if timeout 300 "$OUT/$1" >"$OUT/$1.log" 2>&1; then
		echo "fail $1: the test passes without it ($from)"
		return 1
	fi
	echo "pass $1"
}

make -s "$B/host/pure.a" || exit 2
rm -rf "$OUT"/test*
passed=0 failed=0
while IFS='|' read -r name test file expression; do
	name=${name//[[:space:]]/} test=${test//[[:space:]]/} file=${file//[[:space:]]/}
	[ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
	if mutant "$name" "$test" "$file" "${expression# }"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done < <(rows)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
