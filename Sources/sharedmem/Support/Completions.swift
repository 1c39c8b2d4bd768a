import ArgumentParser
import SharedMemory

extension CompletionKind {
    /// The names of the segments in the directory that the command line names.
    static var segments: CompletionKind {
        .custom { words, _, _ in (try? Segment.list(directory: Self.directory(in: words))) ?? [] }
    }

    /// The names of the segments in it and of those that killed processes have left behind.
    static var removableSegments: CompletionKind {
        .custom { words, _, _ in
            let directory = Self.directory(in: words)
            return ((try? Segment.list(directory: directory)) ?? [])
                + ((try? Segment.leftovers(directory: directory)) ?? [])
        }
    }

    private static func directory(in words: [String]) -> String? {
        for (index, word) in words.enumerated() {
            if word == "--directory", index + 1 < words.count { return words[index + 1] }
            if word.hasPrefix("--directory=") { return String(word.dropFirst("--directory=".count)) }
        }
        return nil
    }
}
