#if PAUSE_POINTS
internal import Glibc
import LinuxSystem
import Synchronization
#endif

/// A step of the protocol at which a test can stop the process, to look at its state or to kill it.
///
/// Only debug builds have pause points.
package enum PausePoint: String, Sendable {
    // Attaching.
    case attachOpened, leftoverNotPersistent, attachFoundLeftover, attachNotLeftover, aliveLookedAtLock, attachBuilt,
        attachNamed, attachSharedLifetime, attachMapped
    // Taking a row, and growing a table.
    case rowTaken, tableReserved, tableGrown
    // Setting, by the numbers of the protocol.
    case setChosen, setClaimed, setChecked, setStamped, setReserved, setFilled, setNumbered, setPublished, setUnclaimed
    // Giving memory back.
    case punchUnstamped, punchMarked, punchDone
    // Borrowing, and copying without a pin.
    case borrowLoaded, borrowPinned, borrowPinnedAgain, borrowChecked, copyLoaded, copyStamped, copyRead
    // Reading under a pin that is owned.
    case readLoaded, readPinned, readChecked
    // Waiting.
    case waitCheckedName, waitAnnounced
    // Detaching and unlinking.
    case detachFreedRow, detachDroppedLifetime, detachFoundNobody, unlinkLocked, unlinkChecked, unlinkDone
    // Migrating.
    case migrateLocked, migrateBuilt, migrateNamed, migrateReplaced
    // Keeping a version on disk, which the server does.
    case keepCreated, keepWritten, keepSynchronized, keepRenamed, keepDurable, keepPruned, keepRestored
    // Removing what is kept, which the server does.
    case keepRemovedOlder, keepRemovedNewest, keepForgotten

    /// Stops the process (SIGSTOP) if this is the next of the comma-separated steps that `SHAREDMEM_PAUSE_AT` names.
    @inline(__always)
    package func reached() {
        #if PAUSE_POINTS
        let index = Self.next.load(ordering: .relaxed)
        guard index < Self.pausing.count, Self.pausing[index] == self else { return }
        Self.next.store(index + 1, ordering: .relaxed)
        raise(SIGSTOP)
        #endif
    }

    #if PAUSE_POINTS
    private static let next = Atomic<Int>(0)
    private static let pausing = (Environment["SHAREDMEM_PAUSE_AT"] ?? "").split(separator: ",")
        .compactMap { PausePoint(rawValue: String($0)) }
    #endif
}
