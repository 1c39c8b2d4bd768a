/*
 * Replication through etcd: how a server writes the text of the fleet, and how it adopts it.
 *
 * [W1] to [W4] are the steps of a PUT, [F1] to [F4] of following, and [A] is the one place that adopts a version.
 * etcd is one linearizable store with the keys `text` and `write`. A try is the transaction of a PUT, sent once. etcd carries
 * it out at once, later, or never. A try without an answer can be carried out at any time, even long after the server has
 * given it up: a paused member does that. A PUT that libcurl sends twice is such a try, followed by another.
 * Processes run between any two requests, answers and decisions. A restore replaces the history with an older one.
 * Macros in `#ifdef`s are mutants. Each breaks one thing, and Models/mutants checks that Spin finds the fault.
 */

#ifndef PUTS
#define PUTS 2         /* each has one write id: 1, 2, … */
#endif
#ifndef CONDITIONAL
#define CONDITIONAL 1  /* 1: a PUT may have If-Match, with any version that there ever was */
#endif
#ifndef LOSSES
#define LOSSES 1       /* 1: a try may get no answer */
#endif
#ifndef RETRIES
#define RETRIES 0      /* of each client, with Idempotency-Key and If-Match, at any server */
#endif
#ifndef ABSENT
#define ABSENT 0       /* 1: there is no key at first */
#endif
#ifndef HANDS
#define HANDS 0        /* puts of `text` alone by hand, */
#endif
#ifndef WRITE_HANDS
#define WRITE_HANDS 0  /* and of `write` alone */
#endif
#ifndef COMPACTIONS
#define COMPACTIONS 0
#endif
#ifndef RESTORES
#define RESTORES 0     /* 1: etcd may be restored once, with all members stopped */
#endif
#ifndef STALE
#define STALE 0        /* how many ranges answer with an older version, as etcd did before #20418 was fixed */
#endif
#ifndef CRASHES
#define CRASHES 0      /* of servers, in total */
#endif
#ifndef SERVERS
#define SERVERS 1
#endif
#ifndef FOLLOWS
#define FOLLOWS 1      /* 0: the servers only write, and may have adopted any version that there ever was */
#endif

/* What there is in the history. A put by hand has no write id; its number stands for its bytes. */
#define INITIAL  (PUTS + 1)
#define FOREIGN  (PUTS + 2)           /* a write of which the servers know nothing, in the restored history */
#define BY_HAND  (PUTS + 3)           /* and the numbers above */
#define SAME     (BY_HAND + HANDS)    /* `write` alone, with the value that it had */
#define OTHER    (SAME + 1)           /* `write` alone, with another */
#define ID(text) (text < BY_HAND -> text : 0)

#define REVISIONS (3 + PUTS + HANDS + WRITE_HANDS)
#define AT(h, r)  history[(h) * REVISIONS + (r)]
#define NOW(r)    AT(restores, r)

/* A version is a revision and a write id. `text` stands for the bytes. The revision of an absent key is 0. */
typedef Version { byte id; byte revision; byte text }

/* etcd */
byte history[(1 + RESTORES) * REVISIONS];
byte revision, textRevision, writeRevision, writeValue, compacted;
Version late[PUTS + 1];  /* the base of a try that may still be carried out, if isLate. Of several, one is enough */
bool isLate[PUTS + 1];

/* The servers */
Version adopted[SERVERS];
bool isKnown[SERVERS];  /* false: it has not adopted a version since it started */
byte asked[SERVERS];    /* how often another history has been seen */
bool isFresh[SERVERS];  /* nothing has been adopted since the last range was sent */
bool isKilled[SERVERS]; /* and starts again */
bool isOver[PUTS + 1];  /* the server of this PUT was killed */
byte at[PUTS + 1];      /* the server of this PUT, + 1 */

/* Only the properties use these. */
byte shown[SERVERS], shownIn[SERVERS]; /* the segment's revision, and the number of its history */
bool isRefused[PUTS + 1];              /* a client was told that its text is not applied */
byte restores, hands, writeHands, compactions, stale, crashes, finished;
bool isQuiet;
hidden byte k, l;

#define STEP(...) d_step { skip; __VA_ARGS__ }
#define CURRENT_ID   (textRevision == writeRevision -> writeValue : 0)
#define CURRENT_TEXT NOW(textRevision)

/* What the transaction compares: by the base, CREATE alone, MOD alone, or MOD and VALUE. */
#ifdef COMPARES_ONLY_REVISION
#define IS_CURRENT(b) (textRevision == b.revision)
#else
#define IS_CURRENT(b) (textRevision == b.revision && (b.id == 0 || writeValue == b.id))
#endif
#ifdef PLAIN_PUT
#define SUCCEEDS(b) true
#else
#define SUCCEEDS(b) IS_CURRENT(b)
#endif

#define SET(v, i, r, t)  v.id = i; v.revision = r; v.text = t
#define COPY(to, from)   SET(to, from.id, from.revision, from.text)
#define CLEAR(v)         SET(v, 0, 0, 0)

inline putBoth(text) {
    revision++;
    textRevision = revision; writeRevision = revision; writeValue = text;
    NOW(revision) = text
}

/* The transaction of a PUT succeeds. */
inline apply(b) {
#ifndef PLAIN_PUT
    /* It replaces its base and nothing else. A base set by hand has no write id, so its revision is all that tells it. */
    assert(CURRENT_TEXT == b.text || (b.id == 0 && RESTORES > 0));
#endif
    assert(!isRefused[w]);
    assertNotThere();
    putBoth(w)
}

/* No text comes back. */
inline assertOnce() {
    for (l : 1 .. revision - 1) { assert(NOW(l) != NOW(revision)) }
    l = 0
}

inline assertNotThere() {
    for (k : 1 .. revision) { assert(NOW(k) != w) }
    k = 0
}

#ifdef BYTES_NOT_COMPARED
#define IS_ADOPTED(v) (v.id == adopted[s].id && v.revision == adopted[s].revision)
#else
#define IS_ADOPTED(v) (v.id == adopted[s].id && v.revision == adopted[s].revision && v.text == adopted[s].text)
#endif

/* [A] Adopts what comes from a range, the watch, or an own write. `doubts` if it may be another history. */
inline adopt(v, isRange) {
    doubts = false;
    if
#ifdef ADOPTS_WHATEVER_COMES
    :: true -> publish(v)
#else
    :: !isKnown[s] || v.revision > adopted[s].revision -> publish(v)
#endif
    :: else ->
        if
        :: !IS_ADOPTED(v) ->
#ifdef SENT_BEFORE_IT_WAS_KNOWN
            doubts = isRange
#else
            doubts = (isRange && isFresh[s])
#endif
        :: else
        fi
    fi
}

inline publish(v) {
    /* No server goes back, except by a restore. */
    assert(shownIn[s] != restores || v.revision >= shown[s]);
    COPY(adopted[s], v);
    isKnown[s] = true; isFresh[s] = false;
#ifndef ASKED_ABOUT_AN_EARLIER_VERSION
    asked[s] = 0;
#endif
    shown[s] = v.revision; shownIn[s] = restores
}

/* A try that did not succeed decides, unless an earlier one may have been carried out. */
#ifdef NOT_SUCCEEDED_MEANS_NOT_APPLIED
#define IS_DECIDED true
#else
#ifdef REBASED_WHILE_OPEN
#define IS_DECIDED (!isOpen || !isConditional)
#else
#define IS_DECIDED !isOpen
#endif
#endif

#define SERVE(option) atomic { !isOver[w] -> option }

#define SHOWS(r) (!FOLLOWS || (shownIn[s] == restores && shown[s] >= r))

/* [W4] 204, once this server shows it or a newer one. After a restore, it may have to adopt the other history first. */
inline acknowledge() {
    assert(NOW(r) == w); /* it is there, at this revision */
#ifdef ANSWERS_BEFORE_ADOPTING
    assert(SHOWS(r));
    goto done
#else
    if
    :: SHOWS(r) -> goto done
    :: else -> isOpen = true; CLEAR(seen); when = restores; goto applied
    fi
#endif
}

/* 412, or 503 if nothing is open */
inline refuse() { assertNotThere(); isRefused[w] = true }

/* Neither now nor later, because its base is not current any more. */
inline notApplied() {
    isOwn = false; r = 0;
    if
    :: isConditional -> refuse(); goto done
    :: else ->
        COPY(base, seen); CLEAR(seen);
#ifndef REBASED_WHILE_OPEN
        isOpen = false;
#endif
        goto try
    fi
}

/* A client's PUT, and its server's work on it. */
proctype Put(byte w) {
    Version base, seen;
    bool isConditional, isOpen, succeeded, isOwn, doubts;
    byte s, r, h, when, retries;

    atomic {
        if :: true :: SERVERS > 1 -> s = 1 fi;
        if
        :: FOLLOWS && isKnown[s] -> COPY(base, adopted[s])
        :: CONDITIONAL || !FOLLOWS -> /* the client has seen some version, perhaps in the old history */
            if :: CONDITIONAL -> isConditional = true :: !FOLLOWS fi;
            if :: true :: restores > 0 -> h = 1 fi;
            do :: r < REVISIONS - 1 && AT(h, r + 1) != 0 -> r++ :: break od;
            if :: AT(h, r) < SAME -> SET(base, ID(AT(h, r)), r, AT(h, r)) :: else fi;
            h = 0; r = 0
        fi;
        at[w] = s + 1
    };

try: /* [W1] */
    if
    :: SERVE(goto timeUp)
    :: SERVE(LOSSES -> if :: isLate[w] -> goto lost :: COPY(late[w], base); isLate[w] = true fi; goto lost)
#ifdef REPEATED_BY_LIBCURL_UNNOTICED
    :: SERVE(!isLate[w] -> COPY(late[w], base); isLate[w] = true; goto try)
#endif
    :: d_step { !isOver[w] ->
            succeeded = SUCCEEDS(base);
            if :: succeeded -> apply(base) :: else fi;
            SET(seen, CURRENT_ID, textRevision, CURRENT_TEXT);
#ifdef OWN_ID_BESIDE_ANOTHER_TEXT
            isOwn = (writeValue == w); r = writeRevision;
#else
            isOwn = (CURRENT_ID == w); r = textRevision;
#endif
            when = restores
        };
        goto answer
    :: atomic { isOver[w] -> goto noAnswer }
    fi;

lost:
    atomic {
        isOpen = true;
#ifdef ANOTHER_BASE_AT_EACH_TRY
        if :: !isConditional && isKnown[s] -> COPY(base, adopted[s]) :: else fi;
#endif
        goto try
    };

answer: /* [W2] */
    atomic {
        if
        :: isOver[w] -> goto noAnswer
#ifndef ANSWER_READ_AFTER_A_RESTORE
        :: !isOver[w] && when != restores -> succeeded = false; isOwn = false; r = 0; CLEAR(seen); when = 0; goto lost
        :: !isOver[w] && when == restores
#else
        :: else
#endif
        fi;
#ifndef ANSWERS_BEFORE_ADOPTING
        if :: FOLLOWS -> adopt(seen, false) :: else fi;
#endif
        when = 0;
#ifdef NEW_ID_AT_EACH_TRY
        isOwn = (isOwn && succeeded);
#endif
        if
        :: succeeded || isOwn -> acknowledge()
        :: !(succeeded || isOwn) && IS_DECIDED -> notApplied()
        :: else
        fi
    };

decide: /* [W3] The first event of `text` after the base decides. */
    if
    :: atomic { !isOver[w] ->
            r = base.revision + 1;
            if
#ifdef COMPACTION_UNNOTICED
            :: r < compacted -> r = compacted
#else
            :: r < compacted -> goto timeUp
#endif
            :: else
            fi;
#ifdef EITHER_KEY_DECIDES
            do :: r <= revision && NOW(r) == 0 -> r++ :: else -> break od;
#else
            do :: r <= revision && NOW(r) >= SAME -> r++ :: else -> break od;
#endif
            if
#ifdef BASE_OF_ANOTHER_HISTORY_TAKEN_FOR_GONE
            :: r > revision -> notApplied()
#else
            :: r > revision -> goto timeUp /* none has come in time */
#endif
#ifndef NEW_ID_AT_EACH_TRY
            :: r <= revision && NOW(r) == w ->
                SET(seen, w, r, w);
                if :: FOLLOWS -> adopt(seen, false) :: else fi;
                acknowledge()
            :: r <= revision && NOW(r) != w -> notApplied()
#else
            :: r <= revision -> notApplied()
#endif
            fi
        }
    :: atomic { isOver[w] -> goto noAnswer }
    fi;

applied:
    if
    :: SERVE(when == restores && SHOWS(r) -> assert(NOW(r) == w); when = 0; goto done)
    :: SERVE(when = 0; goto timeUp)
    :: atomic { isOver[w] -> goto noAnswer }
    fi;

timeUp:
    atomic {
        succeeded = false; isOwn = false; r = 0; CLEAR(seen);
#ifndef LEFT_OPEN_AND_ANSWERED_503
        if :: !isOpen -> refuse(); goto done :: else fi;
        goto retry /* 504, with the write id and the base */
#else
        refuse(); goto done
#endif
    };

noAnswer: /* The client knows the base and the write id only if both are its own. */
    atomic {
        succeeded = false; isOwn = false; r = 0; when = 0; CLEAR(seen);
        if :: isConditional :: else -> goto done fi
    };

retry:
    atomic {
        if
        :: retries < RETRIES ->
            retries++;
            isOver[w] = false;
            if :: s = 0 :: SERVERS > 1 -> s = 1 fi;
            at[w] = s + 1;
#ifdef RETRIED_WITHOUT_BASE
            if :: isKnown[s] -> COPY(base, adopted[s]) :: else -> goto done fi;
            isConditional = false;
#else
            isConditional = true;
#endif
#ifdef RETRY_TAKEN_FOR_A_FIRST_TRY
            isOpen = false;
#else
            isOpen = true;
#endif
            goto try
        :: true
        fi
    };

done:
    atomic {
        doubts = false; at[w] = 0; isOver[w] = false; CLEAR(base); CLEAR(seen);
        isConditional = false; isOpen = false; succeeded = false; isOwn = false; s = 0; r = 0; retries = 0;
        finished++
    }
}

/* What the check shows: without the value of `write`, it takes one version for another. */
#ifdef CHECK_OF_KEYS_ONLY
#define CHECK_SHOWS_ADOPTED(s) (adopted[s].revision == textRevision && \
    (adopted[s].id != 0 || adopted[s].revision == 0) == (textRevision == writeRevision))
#else
#define CHECK_SHOWS_ADOPTED(s) (adopted[s].id == CURRENT_ID && adopted[s].revision == textRevision && \
    adopted[s].text == CURRENT_TEXT)
#endif

#define STILL_IN_THE_NEXT atomic { isKilled[s] -> goto begin }

/* The one loop of a server that follows etcd. */
proctype Follower(byte s) {
    Version seen;
    byte next, when, rounds;
    bool doubts;

begin: /* [F1] A range, sent now. */
    atomic {
        isFresh[s] = true; next = 0; when = 0; CLEAR(seen);
        if
        :: isKilled[s] ->
            isKilled[s] = false; asked[s] = 0;
#ifdef LOCAL_TEXT_OFFERED
            if :: shown[s] > 0 -> STEP(k = AT(shownIn[s], shown[s]); putBoth(k); k = 0; assertOnce()) :: else fi
#endif
        :: else
        fi;
        if :: isQuiet -> rounds++; assert(rounds <= 5) :: else fi /* it is on the fleet's text soon */
    };
#ifdef WATCHES_FROM_THE_LAST_SEEN
    if
    :: atomic { isKnown[s] && !isKilled[s] ->
            next = adopted[s].revision + 1; when = restores; isFresh[s] = false;
            goto watch
        }
    :: atomic { !isKnown[s] -> skip }
    fi;
#endif
    if
    :: d_step { !isKilled[s] -> SET(seen, CURRENT_ID, textRevision, CURRENT_TEXT); next = revision + 1; when = restores }
    :: d_step { !isKilled[s] && stale < STALE && textRevision > 1 ->
            stale++;
            SET(seen, ID(NOW(textRevision - 1)), textRevision - 1, NOW(textRevision - 1)); next = textRevision;
            when = restores
        }
    :: STILL_IN_THE_NEXT
    fi;

    if /* [F2] Its answer. */
    :: atomic { !isKilled[s] && when != restores -> goto begin }
    :: atomic { !isKilled[s] && when == restores ->
            adopt(seen, true);
            if
            :: doubts -> /* Every member is asked, and again a second later. */
                doubts = false;
                asked[s]++;
#ifdef ADOPTS_ONLY_NEWER
                asked[s] = 0
#else
#ifdef ADOPTED_WITHOUT_ASKING
                asked[s] = 3;
#endif
                if
                :: asked[s] == 3 -> publish(seen); asked[s] = 0
                :: else -> goto begin
                fi
#endif
            :: else -> asked[s] = 0
            fi;
            isFresh[s] = false; CLEAR(seen)
        }
    :: STILL_IN_THE_NEXT
    fi;

    if /* [F3] A watch from the range's revision on, perhaps at a member that was restored meanwhile. */
    :: atomic { !isKilled[s] -> when = restores; if :: next < compacted -> goto begin :: else fi }
    :: STILL_IN_THE_NEXT
    fi;

watch: /* [F4] */
    if
    :: atomic { !isKilled[s] && when == restores && next <= revision ->
            if
            :: NOW(next) < SAME -> SET(seen, ID(NOW(next)), next, NOW(next)); adopt(seen, false); CLEAR(seen)
            :: else
            fi;
            next++;
            goto watch
        }
    :: atomic { !isKilled[s] && (!isQuiet || when != restores) -> goto begin } /* the stream ends, or a check shows more */
#ifdef NOT_CHECKED
    :: atomic { !isKilled[s] && isQuiet && when == restores && next > revision -> goto quiet }
#else
    :: atomic { !isKilled[s] && isQuiet && when == restores && next > revision && CHECK_SHOWS_ADOPTED(s) -> goto quiet }
    :: atomic { !isKilled[s] && isQuiet && when == restores && next > revision && !CHECK_SHOWS_ADOPTED(s) -> goto begin }
#endif
    :: STILL_IN_THE_NEXT
    fi;

quiet:
    assert(isKnown[s] && adopted[s].text == CURRENT_TEXT)
}

/* All members are stopped. What they have not done yet they never do, and their answers and streams are not read. */
inline restore(r) {
    STEP(restores++;
        revision = 0; textRevision = 0; writeRevision = 0; writeValue = 0; compacted = 0;
        for (k : 1 .. r) {
            l = AT(restores - 1, k);
            revision++;
            NOW(revision) = l;
            if :: l < SAME -> textRevision = revision :: else fi;
            if :: l < BY_HAND || l >= SAME -> writeRevision = revision :: else fi;
            if :: l < BY_HAND -> writeValue = l :: l == OTHER -> writeValue = OTHER :: else fi
        }
        for (k : 1 .. PUTS) { isLate[k] = false; CLEAR(late[k]) }
        k = 0; l = 0)
}

/* The network, people, and faults. */
proctype World() {
    byte w, r;

    do
    :: atomic { !isQuiet ->
            w = 1;
            do :: w < PUTS -> w++ :: break od;
            if :: isLate[w] && SUCCEEDS(late[w]) -> STEP(apply(late[w])) :: else fi;
            w = 0
        }
    :: d_step { !isQuiet && hands < HANDS ->
            revision++; textRevision = revision; NOW(revision) = BY_HAND + hands; hands++
        }
    :: d_step { !isQuiet && writeHands < WRITE_HANDS ->
            writeHands++; revision++; writeRevision = revision; NOW(revision) = SAME
        }
    :: d_step { !isQuiet && writeHands < WRITE_HANDS ->
            writeHands++; revision++; writeRevision = revision; writeValue = OTHER; NOW(revision) = OTHER
        }
    :: d_step { !isQuiet && compactions < COMPACTIONS && compacted < revision -> compactions++; compacted = revision }
    :: atomic { !isQuiet && restores < RESTORES -> /* a snapshot, and perhaps a write after it */
            r = revision;
            do :: r > 0 -> r-- :: break od;
            restore(r);
            if :: true :: revision + 1 < REVISIONS -> STEP(putBoth(FOREIGN)) fi;
            r = 0
        }
    :: atomic { crashes < CRASHES && !isQuiet ->
            if :: r = 0 :: SERVERS > 1 -> r = 1 fi;
            STEP(crashes++;
                isKilled[r] = true; isKnown[r] = false; CLEAR(adopted[r]); isFresh[r] = false;
                for (k : 1 .. PUTS) { if :: at[k] == r + 1 -> isOver[k] = true :: else fi }
                k = 0; r = 0)
        }
    :: d_step { !isQuiet && finished == PUTS -> isQuiet = true }
    :: isQuiet -> break
    od
}

init {
    atomic {
        if :: !ABSENT -> putBoth(INITIAL) :: else fi;
        for (k : 1 .. SERVERS * FOLLOWS) { run Follower(k - 1) }
        for (k : 1 .. PUTS) { run Put(k) }
        run World();
        k = 0
    }
}
