/* One macro for each memory ordering in Sources/SharedMemory that the programs model, so that -DMACRO=ORDER changes just that one.
   The comment behind it names its places in the Swift code: FILE FUNCTION: WORD.OPERATION. `orderings` compares both.
   Where one function of the source serves several callers, as `loadCurrent` does, each call has a macro of its own. */
#define ORDERS_H


/* Claiming a slot, and filling it */

#ifndef CLAIM_LOOK
#define CLAIM_LOOK relaxed      /* Claim.swift attempt: slots.claim.load */
#endif
#ifndef CLAIM_CAS
#define CLAIM_CAS seq_cst       /* Claim.swift attempt: slots.claim.compareExchange */
#endif
#ifndef LOOK_CURRENT
#define LOOK_CURRENT seq_cst    /* Claim.swift attempt: loadCurrent() */
#endif
#ifndef LOOK_PIN
#define LOOK_PIN seq_cst        /* Claim.swift isPinned: pin.load */
#endif
#ifndef CLAIM_END
#define CLAIM_END release       /* Claim.swift deinit: slots.claim.store */
#endif
#ifndef FILL_STAMP
#define FILL_STAMP relaxed      /* Claim.swift beginFilling: slots.stamp.store */
#endif
#ifndef FILL_FENCE
#define FILL_FENCE release      /* Claim.swift beginFilling: fence */
#endif
#ifndef FILL_COUNT
#define FILL_COUNT relaxed      /* Claim.swift fill: slots.byteCount.store */
#endif
#ifndef STAMP_TIME
#define STAMP_TIME relaxed      /* Claim.swift stamp: slots.publicationTime.store */
#endif
#ifndef STAMP_END
#define STAMP_END release       /* Claim.swift stamp: slots.stamp.store */
#endif
#ifndef PUNCH_MARK
#define PUNCH_MARK seq_cst      /* Claim.swift giveMemoryBack: slots.reserved.store */
#endif

/* Publishing */

#ifndef START
#define START seq_cst           /* Publish.swift claimSlot: loadCurrent(); Publish.swift claimAnotherSlot: loadCurrent() */
#endif
#ifndef INFO_CURRENT
#define INFO_CURRENT seq_cst    /* Publish.swift currentInfo: loadCurrent() */
#endif
#ifndef INFO_TIME
#define INFO_TIME acquire       /* Publish.swift currentInfo: slots.publicationTime.load */
#endif
#ifndef INFO_COUNT
#define INFO_COUNT acquire      /* Publish.swift currentInfo: slots.byteCount.load */
#endif
#ifndef INFO_AGAIN
#define INFO_AGAIN seq_cst      /* Publish.swift currentInfo: loadCurrent() (2) */
#endif
#ifndef PUBLISH
#define PUBLISH seq_cst         /* Publish.swift makeCurrent: current.compareExchange */
#endif

/* Borrowing */

#ifndef BORROW_CURRENT
#define BORROW_CURRENT seq_cst  /* Borrow.swift borrow: loadCurrent(); Borrow.swift borrowAnyhow: loadCurrent() */
#endif
#ifndef PIN_CAS
#define PIN_CAS seq_cst         /* Borrow.swift take: pin.compareExchange */
#endif
#ifndef BORROW_AGAIN
#define BORROW_AGAIN seq_cst    /* Borrow.swift move: loadCurrent() */
#endif
#ifndef PIN_AGAIN
#define PIN_AGAIN seq_cst       /* Borrow.swift move: pin.store */
#endif
#ifndef PIN_END
#define PIN_END release         /* Borrow.swift end: UnsafePointer.store; Borrow.swift end: pin.store */
#endif
#ifndef TEXT_COUNT
#define TEXT_COUNT relaxed      /* SegmentView.swift text: slots.byteCount.load */
#endif
#ifndef IDENTIFY
#define IDENTIFY relaxed        /* Borrow.swift publication: slots.publicationTime.load */
#endif
#ifndef CHECKED_LOAD
#define CHECKED_LOAD relaxed    /* Segment+Reading.swift check: checkedNumber.load */
#endif
#ifndef CHECKED_STORE
#define CHECKED_STORE relaxed   /* Segment+Reading.swift validate: checkedNumber.store */
#endif

/* Reading under a pin that the Reader keeps */

#ifndef READ_FAST
#define READ_FAST acquire       /* Reader.swift isCurrent: currentWord.load */
#endif
#ifndef READ_CURRENT
#define READ_CURRENT seq_cst    /* Reader.swift moveToCurrent: loadCurrent() */
#endif
#ifndef READ_PIN
#define READ_PIN seq_cst        /* Reader.swift moveToCurrent: pin.store */
#endif
#ifndef READ_AGAIN
#define READ_AGAIN seq_cst      /* Reader.swift moveToCurrent: loadCurrent() (2) */
#endif
#ifndef UNPIN
#define UNPIN release           /* Reader.swift unpin: pin.store */
#endif
#ifndef CLOSE
#define CLOSE release           /* Borrow.swift end: UnsafePointer.store */
#endif

/* Copying without a pin */

#ifndef COPY_CURRENT
#define COPY_CURRENT seq_cst    /* OptimisticCopy.swift copyCurrent: loadCurrent();
                                   OptimisticCopy.swift copyCurrent: loadCurrent() (2) */
#endif
#ifndef COPY_STAMP
#define COPY_STAMP acquire      /* OptimisticCopy.swift copy: slots.stamp.load */
#endif
#ifndef COPY_COUNT
#define COPY_COUNT relaxed      /* OptimisticCopy.swift copy: slots.byteCount.load */
#endif
#ifndef COPY_TIME
#define COPY_TIME relaxed       /* OptimisticCopy.swift copy: slots.publicationTime.load */
#endif
#ifndef COPY_WORD
#define COPY_WORD relaxed       /* SegmentView.swift loadWords: word.load */
#endif
#ifndef COPY_FENCE
#define COPY_FENCE acquire      /* OptimisticCopy.swift copy: fence */
#endif
#ifndef COPY_AGAIN
#define COPY_AGAIN relaxed      /* OptimisticCopy.swift copy: slots.stamp.load (2) */
#endif

/* Taking back what a dead process left */

#ifndef RECLAIM_PIN
#define RECLAIM_PIN relaxed     /* Rows.swift reclaim: pins.load */
#endif
#ifndef RECLAIM
#define RECLAIM release         /* Rows.swift reclaim: pins.compareExchange; Rows.swift reclaim: slots.claim.compareExchange */
#endif

/* Waiting */

#ifndef AWAITED_LOAD
#define AWAITED_LOAD seq_cst    /* Wait.swift announce: state.awaited.load */
#endif
#ifndef AWAITED_CAS
#define AWAITED_CAS seq_cst     /* Wait.swift announce: state.awaited.compareExchange */
#endif
#ifndef WAIT_CURRENT
#define WAIT_CURRENT seq_cst    /* Wait.swift sleep: loadCurrent() */
#endif
#ifndef WOKEN_LOAD
#define WOKEN_LOAD relaxed      /* Wait.swift wakeWaiters: state.woken.load */
#endif
#ifndef AWAITED_LOOK
#define AWAITED_LOOK seq_cst    /* Wait.swift wakeWaiters: state.awaited.load */
#endif
#ifndef WOKEN_CAS
#define WOKEN_CAS release       /* Wait.swift wakeAll: state.woken.compareExchange */
#endif

/* The marks: how many pins, slots and rows have ever been in use. One pair of functions serves all three. */

#ifndef PIN_MARK_LOAD
#define PIN_MARK_LOAD seq_cst   /* Borrow.swift takePin: mark(of: .pins); Borrow.swift takeLastPin: mark(of: .pins) */
#endif
#ifndef GROW_MARK
#define GROW_MARK seq_cst       /* Rows.swift grow: mark(of: table) */
#endif
#ifndef RAISE_LOOK
#define RAISE_LOOK seq_cst      /* SegmentView.swift raiseMark: marks.words.load */
#endif
#ifndef PIN_MARK_RAISE
#define PIN_MARK_RAISE seq_cst  /* SegmentView.swift raiseMark: marks.words.compareExchange */
#endif
#ifndef LOOK_MARK
#define LOOK_MARK seq_cst       /* Claim.swift isPinned: mark(of: .pins) */
#endif
#ifndef SLOT_MARK_LOAD
#define SLOT_MARK_LOAD seq_cst  /* Publish.swift claimAnotherSlot: mark(of: .slots) */
#endif
#ifndef SLOT_MARK_RAISE
#define SLOT_MARK_RAISE seq_cst /* SegmentView.swift raiseMark: marks.words.compareExchange */
#endif
#ifndef ROW_MARK_LOAD
#define ROW_MARK_LOAD seq_cst   /* Rows.swift takeRow: mark(of: .rows); Rows.swift sweep: mark(of: .rows) */
#endif
#ifndef ROW_MARK_RAISE
#define ROW_MARK_RAISE seq_cst  /* SegmentView.swift raiseMark: marks.words.compareExchange */
#endif
#ifndef RECLAIM_PIN_MARK
#define RECLAIM_PIN_MARK seq_cst /* Rows.swift reclaim: mark(of: .pins) */
#endif
#ifndef RECLAIM_SLOT_MARK
#define RECLAIM_SLOT_MARK seq_cst /* Rows.swift reclaim: mark(of: .slots) */
#endif
#ifndef RECLAIM_CLAIM
#define RECLAIM_CLAIM relaxed   /* Rows.swift reclaim: slots.claim.load */
#endif

/* Operations of the source that are not modelled, each with the reason why nothing that is promised depends on its ordering.

   Attachment.swift becomePersistent: state.persistent.store -- read under the lock on the lifetime byte, or for people
   AttachmentCell.swift reference: page.content.load -- within one process: an object is published once, by a releasing store, and found by an acquiring load
   AttachmentCell.swift fill: page.content.compareExchange -- as above: the thread that wins makes the object
   AttachmentCell.swift fill: page.content.store -- as above: publishes the object
   AttachmentCell.swift fill: page.content.store (2) -- as above: gives up, so that another thread can try
   Rows.swift clear: rows.attachmentTime.store -- for people
   Header.swift store: process.store -- for people
   Header.swift store: program.store -- for people
   Header.swift load: process.load -- for people
   Header.swift load: program.load -- for people
   Rows.swift takeRow: rows.owner.process.load -- a hint: the lock on the row decides
   Rows.swift take: rows.attachmentTime.store -- for people
   Rows.swift knownMark: keptMark.load -- within one process: pairs with the store by the thread that took the row
   Rows.swift takeRowNow: keptMark.store -- within one process: the row's lock is held, and what was left in its name is reclaimed
   Borrow.swift holdsPins: keptMark.load -- within one process: before the library is unloaded
   Borrow.swift holdsPins: mark(of: .pins) -- within one process: its threads raised the mark, or saw it raised, before they took a pin
   Publish.swift claimSlotWithoutNewMemory: mark(of: .slots) -- a slot above the mark has no memory to make do with
   Publish.swift publish: current.recentByteCount.store -- a hint: how much memory to keep
   Publish.swift recentByteCount: current.recentByteCount.load -- as above
   Publish.swift pinnedSlots: mark(of: .pins) -- a hint: a claim is followed by a look of its own at the pins
   Publish.swift pinnedSlots: pins.load -- as above
   Publish.swift pinnedSlots: mark(of: .slots) -- as above: slots above it count as not pinned
   Rows.swift growRows: mark(of: .rows) -- shows only whether the row has memory; the row's lock decides which process owns it
   Rows.swift growRows: mark(of: .rows) (2) -- as above
   Rows.swift endSet: keptMark.load -- within one process, and within the thread that sets: only its own value matters
   Rows.swift takeReservedRow: rows.owner.process.load -- a hint: whether to sleep before the row's lock is tried
   Rows.swift sweepPins: mark(of: .pins) -- a hint: a pin that is missed is swept later
   Rows.swift sweepPins: pins.load -- a hint: whose lock to try; reclaiming loads the pins again under that lock
   Publish.swift returnMemoryNow: mark(of: .slots) -- a slot above the mark has no memory to give back
   Segment+Info.swift info: mark(of: .rows) -- for people
   Segment+Info.swift info: mark(of: .pins) -- for people
   PausePoint.swift reached: next.load -- for tests
   PausePoint.swift reached: next.store -- for tests
   Borrow.swift move: pin.store (2) -- the file is damaged, and nothing was read under the pin
   Borrow.swift holdsPins: pins.load -- within one process: pairs with the end of a borrow, before the library is unloaded
   Borrow.swift end: pin.load -- within one process: whether the pin is the one that this process has taken
   Borrow.swift end: keptMark.load -- as above
   Claim.swift reservedByteCount: slots.reserved.load -- only the claim's owner stores it, and CLAIM_END and CLAIM_CAS order one owner and the next
   Claim.swift reserveMore: slots.reserved.store -- as above; if the process is killed before it, memory that exists is reserved again
   Publish.swift memory: slots.reserved.load -- a hint: it is loaded again under the claim
   Reader.swift isOfThisProcess: attached.load -- within one process: only a forked child finds another value, on a page of its own
   Reader.swift moveToCurrent: pin.store (2) -- the file is damaged, and nothing was read under the pin
   Segment+Info.swift info: rows.attachmentTime.load -- for people
   Segment+Info.swift info: pins.load -- for people: a count of pins
   MeasuredSegment.swift pinCount: mark(of: .pins) -- for monitoring
   MeasuredSegment.swift pinCount: pins.load -- for monitoring: a count of pins
   Segment+Diagnosis.swift oldPins: mark(of: .pins) -- for people
   Segment+Diagnosis.swift oldPins: pins.load -- for people: doctor reports only a pin that it finds twice
   Segment+Diagnosis.swift oldPins: slots.stamp.load -- as above
   Segment+Diagnosis.swift oldPins: loadCurrent() -- as above
   SegmentGlance.swift version: loadCurrent() -- the number alone, and nothing is read under it
   Wait.swift isRetired: state.retired.load -- a hint: the name decides, and is looked at twice a second, or for two seconds after it has gone
   Segment+Replication.swift isReplicated: state.replication.load -- after INFO_CURRENT, which acquires what PUBLISH has released: if the current text is replicated, the mark is seen
   Segment+Replication.swift mark: reference.state.replication.exchange -- before PUBLISH, as above
   Segment+Replication.swift release: mapping.state.replication.exchange -- under the lock of the server that replicates, which orders it and the next server's store
   Segment+Replication.swift release: mapping.state.replication.load -- for people
   Segment+Replication.swift replicationMark: state.replication.load -- for people
   Segment+Reading.swift version: loadCurrent() -- the number alone, and nothing is read under it
   SegmentFollower.swift attach: nextLook.store -- within one process: when to look at the name next
   SegmentFollower.swift attachIfDue: nextLook.load -- as above
   SegmentFollower.swift attachIfDue: nextLook.compareExchange -- as above: one thread looks
   ChangeNotifier.swift look: loadCurrent() -- the number alone; its text is borrowed later, as any other
   ChangeNotifier.swift checkName: nextNameCheck.load -- within one thread
   ChangeNotifier.swift checkName: nextNameCheck.store -- within one thread
   ChangeNotifier.swift sleepLimit: nextNameCheck.load -- within one thread
   ChangeNotifier.swift onReplacement: loadCurrent() -- the number alone, under the notifier's mutex
   Wait.swift sleepLimit: state.wakesAlways.load -- stored once, before the segment has a name
   Wait.swift wakeWaiters: state.wakesAlways.load -- stored once, before the segment has a name
   Wait.swift retire: state.retired.store -- a hint: a waiter looks at the name each second, whether or not it sees this
*/
