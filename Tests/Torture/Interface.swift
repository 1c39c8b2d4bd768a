import SharedMemory

/// The interface through which a process that is killed uses the text.
enum Interface: String, CaseIterable, Sendable {
    case swift, c, http
    /// `sharedmem watch`; the other commands are too short-lived to be killed.
    case commandLine = "command"

    /// The interfaces through which one process both reads and sets.
    static let readingAndSetting: [Interface] = [.swift, .c, .http]
}

extension PausePoint {
    static let setting: [PausePoint] = [
        .setChosen, .setClaimed, .setChecked, .setStamped, .setReserved, .setFilled, .setNumbered, .setPublished,
        .setUnclaimed,
    ]
    static let borrowing: [PausePoint] = [.borrowLoaded, .rowTaken, .borrowPinned, .borrowPinnedAgain, .borrowChecked]
    static let copying: [PausePoint] = [.copyLoaded, .copyStamped, .copyRead]
    /// Reading with a `Reader`, which the server does not use.
    static let rereading: [PausePoint] = [.readLoaded, .readPinned, .readChecked]
    static let waiting: [PausePoint] = [.waitCheckedName, .waitAnnounced]
    static let detaching: [PausePoint] = [.detachFreedRow, .detachDroppedLifetime]

    /// Every point that a process passes while it uses a segment that others hold.
    static let shared: [PausePoint] =
        [.attachOpened, .attachNotLeftover, .aliveLookedAtLock, .attachSharedLifetime, .attachMapped]
        + setting + borrowing + rereading + copying + waiting + detaching

    /// The interfaces that lead a process to this point.
    var interfaces: [Interface] {
        if Self.waiting.contains(self) { return Interface.allCases }
        return Self.rereading.contains(self) ? [.swift, .c] : Interface.readingAndSetting
    }
}
