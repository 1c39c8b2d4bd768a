#!/bin/sh
# Runs herd7 over the litmus tests: each as the code is, where "Never" is right, then with one ordering weakened at a time.
#
#   check.sh HERD LIBDIR      the path of herd7, and of its models (herd/libdir in its source)
set -eu
cd "$(dirname "$0")"

herd=$1 libdir=$2 changed=$(mktemp -d)
trap 'rm -r "$changed"' EXIT
run() { # TEST OPTIONS SED-SCRIPT DESCRIPTION
    sed "$3" "$1.litmus" > "$changed/$1.litmus"
    if [ -n "$3" ] && cmp -s "$1.litmus" "$changed/$1.litmus"; then echo "$1: UNCHANGED by $3"; return; fi
    printf '%-11s %-58s %s\n' "$1" "${4:-as the code is}" "$("$herd" -set-libdir "$libdir" -I . $2 "$changed/$1.litmus" | sed -n 's/^Observation [^ ]* //p')"
}
run pin '' ''
run pin '' '/^ *| LDAR W0/s/LDAR W0/LDAPR W0/' 'BORROW_AGAIN acquire (ldapr)'
run pin '' 's/STLXR W6,W5,\[X3\]/STXR W6,W5,[X3] /' 'PIN_CAS acquire'
run pin '' 's/| LDAXR W4/| LDXR W4/' 'PIN_CAS release'
run pin '' 's/| LDAXR W0/| LDXR W0/; s/STLXR W6,W5,\[X1\]/STXR W6,W5,[X1] /' 'PUBLISH relaxed'
run pin '' 's/^ LDAR W2/ LDR W2/' 'LOOK_PIN relaxed'
run pin '' 's/^ LDAR W0/ LDAPR W0/' 'LOOK_CURRENT acquire (ldapr)'
run pin '' 's/^ LDAR W0/ LDR W0/' 'LOOK_CURRENT relaxed'
run keep '' ''
run keep '' 's/| LDAR W0/| LDAPR W0/' 'READ_AGAIN acquire (ldapr)'
run keep '' 's/| STLR W5/| STR W5/' 'READ_PIN relaxed'
run copy '' ''
run copy '' 's/DMB ISH  /NOP/' 'FILL_FENCE none'
run copy '' 's/DMB ISHLD/NOP/' 'COPY_FENCE none'
run copy '' 's/LDAR W0/LDR W0/' 'COPY_STAMP relaxed, and current not looked at'
run copy '' 's/STLR W5/STR W5/' 'STAMP_END relaxed, and current not exchanged'
run copy '-variant mixed' 's/^ STR W5,\[X3\]/ STNP W5,W5,[X3]/; s/stamp=1; text=1;/stamp=1; uint32_t text[2]={1,1};/' 'streamed (stnp)'
run mark '' ''
run mark '' 's/^ LDAR W2/ LDR W2/' 'LOOK_MARK relaxed'
run mark '' 's/^ LDAR W2/ LDAPR W2/' 'LOOK_MARK acquire (ldapr)'
run mark '' 's/| LDAXR W6/| LDXR W6/; s/STLXR W7,W5,\[X3\]/STXR W7,W5,[X3] /' 'PIN_MARK_RAISE relaxed'
run mark '' '/LDAXR W6/s/^ LDAR W0,.X1./ LDAR W2,[X3]/; /STLXR W7/s/^ LDAR W2,.X3./ LDAR W0,[X1]/' 'LOOK_MARK before LOOK_CURRENT'
run mark '' 's/| LDAXR W8/| LDXR W8/; s/STLXR W9,W5,.X4./STXR W9,W5,[X4] /; s/^              | LDAR W0/              | LDAPR W0/' 'PIN_CAS relaxed and BORROW_AGAIN acquire (ldapr)'
run mark-seen '' ''
run mark-seen '' 's/| LDAR W7/| LDR W7/' 'RAISE_LOOK relaxed'
run mark-seen '' 's/| LDAR W7/| LDR W7/; s/^              | CBZ W7,end         |/              |                    |/' 'RAISE_LOOK relaxed, without a branch'
run mark-seen-c '-model rc11.cat' ''
run mark-seen-c '-model rc11.cat' '/r7 = /s/seq_cst/acquire/' 'RAISE_LOOK acquire'
run mark-seen-c '-model rc11.cat' '/r7 = /s/seq_cst/relaxed/' 'RAISE_LOOK relaxed'
run wait '' ''
run wait '' 's/^ LDAR W2/ LDAPR W2/' 'AWAITED_LOOK acquire (ldapr)'
run wait '' 's/| LDAR W0/| LDAPR W0/' 'WAIT_CURRENT acquire (ldapr)'
run pin-c '-model rc11.cat' ''
run pin-c '-model rc11.cat' '/^P1/,/^}/s/(current, memory_order_seq_cst/(current, memory_order_acquire/' 'BORROW_AGAIN acquire'
run pin-c '-model rc11.cat' '/^P1/,/^}/s/7, memory_order_seq_cst/7, memory_order_acq_rel/' 'PIN_CAS acq_rel'
run pin-c '-model rc11.cat' '/^P0/,/^}/s/(pin, memory_order_seq_cst/(pin, memory_order_acquire/' 'LOOK_PIN acquire'
run pin-c '-model rc11.cat' '/^P0/,/^}/s/(current, memory_order_seq_cst/(current, memory_order_acquire/' 'LOOK_CURRENT acquire'
run pin-c '-model rc11.cat' '/^P2/,/^}/s/memory_order_seq_cst/memory_order_acq_rel/' 'PUBLISH acq_rel'
run stream '-model stream.cat' ''
run stream '-model stream.cat' 's/xchgl %eax,(a)/nop            /' 'no fence before'
run stream '-model stream.cat' 's/xchgl %ecx,(b)/nop            /' 'no fence behind'
run stream '-model stream.cat' 's/xchgl %eax,(a)/sfence         /; s/xchgl %ecx,(b)/sfence         /' 'sfence'
run stream '-model stream.cat' 's/xchgl %eax,(a)/nop            /; s/xchgl %ecx,(b)/nop            /; s/movntil/movl   /' 'plain stores, no fences'
