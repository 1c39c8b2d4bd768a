/*
 * A relay, which follows a server instead of etcd, and passes on what its clients PUT.
 *
 * [R1] to [R3] are the steps of following, [P1] and [P2] of passing on. The fleet's text is one linearizable history. Its
 * servers do what replication.pml has shown: they know the outcome of a write id, they may be behind, and they never go back,
 * except by a restore. A plain server (PLAIN=1) is the history itself, and knows no write id.
 * Macros in `#ifdef`s are mutants. Each breaks one thing, and Models/mutants checks that Spin finds the fault.
 */

#ifndef PUTS
#define PUTS 2        /* by clients of the relay; each has one write id: 1, 2, … */
#endif
#ifndef CONDITIONAL
#define CONDITIONAL 1 /* 1: a PUT may have If-Match, with the version that the relay has adopted */
#endif
#ifndef OTHERS
#define OTHERS 0      /* writes by others */
#endif
#ifndef PLAIN
#define PLAIN 0       /* 1: the origin is a plain server, alone */
#endif
#ifndef RESTORES
#define RESTORES 0
#endif
#ifndef CRASHES
#define CRASHES 0     /* of the relay */
#endif

#define SERVERS      (PLAIN -> 1 : 2)
#define INITIAL      (PUTS + 1)
#define OTHER        (PUTS + 2)      /* and the numbers above */
#define FOREIGN      (OTHER + OTHERS)
#define REVISIONS    (3 + PUTS + OTHERS)
#define AT(h, r)     history[(h) * REVISIONS + (r)]
#define NOW(r)       AT(restores, r)
#define CURRENT_TEXT NOW(revision)

typedef Version { byte text; byte revision; byte in } /* `in`, the number of the history, is only for the properties */

byte history[(1 + RESTORES) * REVISIONS];
byte revision, restores, others, crashes, finished;
bool isQuiet;

Version has[2];         /* what each server has adopted */
Version late[PUTS + 1]; /* the base of a PUT passed on that may still be carried out, if isLate */
bool isLate[PUTS + 1];

/* The relay */
Version adopted, shown; /* what it knows, and what its segment has, also after a crash */
bool isKnown, isKilled;
byte source;            /* the server that it follows */
bool isOver[PUTS + 1];  /* the relay was killed during this PUT */
bool isRefused[PUTS + 1];
hidden byte k;

#define STEP(...)         d_step { skip; __VA_ARGS__ }
#define COPY(to, from)    to.text = from.text; to.revision = from.revision; to.in = from.in
#define CLEAR(v)          v.text = 0; v.revision = 0; v.in = 0
#define LOOK(v)           v.text = CURRENT_TEXT; v.revision = revision; v.in = restores
#define IS_SAME(v, w)     (v.text == w.text && v.revision == w.revision)
#define IS_CURRENT(v)     (v.text == CURRENT_TEXT && v.revision == revision)

inline put(what) { revision++; CURRENT_TEXT = what }

inline assertNotThere() { for (k : 1 .. revision) { assert(NOW(k) != w) }; k = 0 }

/* The PUT of the relay succeeds at its origin. */
inline apply(base) {
#ifndef PASSED_ON_WITHOUT_BASE
    assert(base.text == CURRENT_TEXT);
#endif
    assert(!isRefused[w]);
    assertNotThere();
    put(w)
}

inline publish(v) {
    /* The relay does not go back: neither to an older version nor to an older history. */
    assert(v.in > shown.in || (v.in == shown.in && v.revision >= shown.revision));
    COPY(adopted, v);
    COPY(shown, v);
    isKnown = true
}

#ifdef PASSED_ON_WITHOUT_BASE
#define SUCCEEDS(v) true
#else
#define SUCCEEDS(v) IS_CURRENT(v)
#endif

inline refuse() { assertNotThere(); isRefused[w] = true }

/* What the server answers: 204 with the version of this write, or 412 with the current one. */
inline answerPut() {
    isApplied = false;
    if
    :: SUCCEEDS(base) -> apply(base); isApplied = true; r = revision
    :: else ->
#ifndef PASSED_ON_WITH_ANOTHER_ID
        if
        :: !PLAIN ->
            for (k : base.revision + 1 .. revision) { if :: NOW(k) == w -> isApplied = true; r = k :: else fi }
            k = 0
        :: else
        fi
#else
        skip
#endif
    fi;
    LOOK(has[to]);
    if
    :: isApplied -> seen.text = w; seen.revision = r; seen.in = restores; r = 0
    :: else -> LOOK(seen)
    fi
}

/* If the history is not past the base, as after a restore, a server of the fleet cannot tell the outcome. */
#define IS_ANSWERED (PLAIN || SUCCEEDS(base) || revision > base.revision)

#define SERVE(option) atomic { !isOver[w] -> option }

proctype Put(byte w) {
    Version base, seen;
    bool isConditional, isOpen, isApplied;
    byte r, to;

    atomic {
        isKnown -> COPY(base, adopted); isOver[w] = false;
        if :: CONDITIONAL -> isConditional = true :: true fi
    };

try: /* [P1] To any server, with the write id and the base. */
    if
    :: SERVE(goto timeUp)
    :: SERVE(if :: isLate[w] :: COPY(late[w], base); isLate[w] = true fi; isOpen = true; goto try)
    :: d_step { !isOver[w] && IS_ANSWERED -> to = 0; answerPut() }
    :: d_step { !isOver[w] && IS_ANSWERED && SERVERS > 1 -> to = 1; answerPut() }
    :: atomic { isOver[w] -> goto noAnswer }
    fi;

    atomic { /* [P2] */
        if
        :: isOver[w] -> goto noAnswer
        :: !isOver[w] && isApplied ->
            isApplied = false;
            assert(AT(seen.in, seen.revision) == w);
#ifdef ADOPTS_WHAT_A_PUT_RETURNS
            if :: !isKnown || seen.revision > adopted.revision -> publish(seen) :: else fi
#endif
        :: !isOver[w] && !isApplied -> /* 412 */
            if
#ifndef ORIGIN_TAKEN_TO_KNOW_WRITE_IDS
            :: PLAIN && isOpen -> CLEAR(seen); goto timeUp /* it cannot tell what became of the earlier tries */
            :: !(PLAIN && isOpen) ->
#else
            :: true ->
#endif
                if
                :: isConditional -> refuse(); goto done
                :: else -> COPY(base, seen); CLEAR(seen); isOpen = false; goto try
                fi
            fi
        fi
    };

    isOpen = true;
    if /* 204, once the relay has it from its own source */
#ifdef ANSWERS_BEFORE_IT_HAS_IT
    :: SERVE(assert(shown.in != seen.in || shown.revision >= seen.revision); goto done)
#else
    :: SERVE(isKnown && adopted.revision >= seen.revision ->
            assert(shown.in != seen.in || shown.revision >= seen.revision);
            goto done)
#endif
    :: SERVE(goto timeUp)
    :: atomic { isOver[w] -> goto noAnswer }
    fi;

timeUp:
    atomic {
#ifdef LEFT_OPEN_AT_THE_ORIGIN_AND_ANSWERED_503
        refuse();
#else
        if :: !isOpen -> refuse() :: else fi;
#endif
        goto done
    };

noAnswer:
    skip;

done:
    atomic {
        CLEAR(base); CLEAR(seen);
        isConditional = false; isOpen = false; isApplied = false; r = 0; to = 0; isOver[w] = false;
        finished++
    }
}

/* The one loop of a relay. */
proctype Follower() {
    Version seen;
    bool isThere;

begin:
    atomic {
        CLEAR(seen); isThere = false; isKilled = false;
        if :: source = 0 :: SERVERS > 1 -> source = 1 fi
    };
#if !defined(BEGINS_WITH_THE_STREAM) && !defined(ADOPTED_BY_AGE)
    /* [R1] A GET with `Prefer: consistent`, for which the server asks etcd. */
    d_step { LOOK(has[source]); LOOK(seen) };
    /* [R2] Its answer counts even if it is older. */
    atomic {
        if :: isKilled -> goto begin :: else fi;
        if :: !isKnown || !IS_SAME(seen, adopted) -> publish(seen) :: else fi;
        CLEAR(seen)
    };
#endif

stream: /* [R3] Then the event stream of the same server. `seen` is on its way. */
    if
    :: atomic { isKilled -> goto begin }
    :: atomic { !isKilled && !isThere && (!isKnown || !IS_SAME(has[source], adopted)) ->
            COPY(seen, has[source]); isThere = true; goto stream
        }
    :: atomic { !isKilled && isThere ->
            isThere = false;
            if
            :: !isKnown || seen.revision > adopted.revision -> publish(seen)
            :: isKnown && seen.revision <= adopted.revision && !IS_SAME(seen, adopted) ->
#ifdef ADOPTED_BY_AGE
                publish(seen) /* its confirmation seems younger than it is, because it was on its way for a while */
#else
                goto begin
#endif
            :: else
            fi;
            CLEAR(seen);
            goto stream
        }
    :: atomic { !isKilled && !isQuiet -> goto begin } /* the stream ends */
    :: atomic { !isKilled && isQuiet && !isThere && isKnown && IS_CURRENT(has[source]) && IS_SAME(has[source], adopted) }
    fi;
    assert(IS_CURRENT(adopted))
}

proctype World() {
    byte w;

    do
    :: d_step { !IS_CURRENT(has[0]) -> LOOK(has[0]) }
    :: d_step { !IS_CURRENT(has[1]) -> LOOK(has[1]) }
    :: atomic { !isQuiet ->
            w = 1;
            do :: w < PUTS -> w++ :: break od;
            if :: isLate[w] && SUCCEEDS(late[w]) -> STEP(apply(late[w])) :: else fi;
            w = 0
        }
    :: d_step { !isQuiet && others < OTHERS -> put(OTHER + others); others++ }
    :: d_step { !isQuiet && restores < RESTORES ->
            /* to the beginning, with or without a write after it */
            restores++; revision = 0; put(INITIAL);
            for (k : 1 .. PUTS) { isLate[k] = false; CLEAR(late[k]) }
            k = 0
        };
        if :: d_step { skip; put(FOREIGN) } :: skip fi
    :: d_step { !isQuiet && crashes < CRASHES ->
            crashes++; isKilled = true; isKnown = false; CLEAR(adopted);
            for (k : 1 .. PUTS) { isOver[k] = true }
            k = 0
        }
    :: d_step { !isQuiet && finished == PUTS -> isQuiet = true }
    :: isQuiet && IS_CURRENT(has[0]) && IS_CURRENT(has[1]) -> break
    od
}

init {
    atomic {
        put(INITIAL); LOOK(has[0]); LOOK(has[1]);
        run Follower();
        for (k : 1 .. PUTS) { run Put(k) }
        k = 0;
        run World()
    }
}
