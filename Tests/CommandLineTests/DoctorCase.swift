import Foundation
import TestSupport
import Testing

/// A set-up in which processes do not see the same text, and what `sharedmem doctor` has to say about it.
struct DoctorCase: CustomTestStringConvertible, Sendable {
    let cause: String
    var isNote = false
    /// What is special about the set-up; empty if the cause says it all.
    var variant = ""
    /// Shell commands that build the set-up: `$place` is the segments' directory, `$other` another one, `$name` the segment's
    /// name, and `hold DIRECTORY NAME` attaches a process, whose id is then in `$holder`.
    let setUp: String
    /// The arguments of `doctor` after the name.
    var arguments = ""
    /// Runs `doctor`, such as `setpriv …`.
    var launcher = ""
    /// What else `doctor` has to find, as the main cause does not come alone.
    var alsoFound: [String] = []
    /// What `doctor` still finds after the repair, because it gives no more rights than were asked for.
    var leaves: [String] = []
    /// Whether the first command of the repair is a look from the other side, rather than a change.
    var isShownElsewhere = false
    /// Whether the set-up needs a mount namespace.
    var isMounting = false
    /// Whether there is a command that repairs it.
    var isRepairable = true

    var testDescription: String { variant.isEmpty ? cause : "\(cause), \(variant)" }

    struct Finding: Decodable, Equatable {
        let cause, severity, subject, seen, why: String
        let fix: [String]
    }

    struct Outcome {
        let before, after: [Finding]
        let statuses: [String: String]
    }

    /// Builds the set-up, runs `doctor`, carries out the repair that it prints, and runs it again.
    func run(prepare: (String) throws -> Void = { _ in }) async throws -> Outcome {
        let (directory, records) = (try TemporaryDirectory(), try TemporaryDirectory())
        try prepare(directory.path)
        // Other tests use segments too, and this one is to be found by none.
        let name = "doctor-\(directory.path.suffix(6))"
        let words = ["/bin/bash", "-c", Self.script(self), "bash", directory.path, records.path, name]
        let child =
            isMounting
            ? try ChildProcess("unshare", ["--mount"] + words) : try ChildProcess(words[0], Array(words.dropFirst()))
        let end = try await child.finish(within: 100)
        #expect(end.status == 0 && !end.wasKilled, "\(end.text)\(end.errors)")
        func record(_ name: String) throws -> Data {
            try Data(contentsOf: URL(fileURLWithPath: "\(records.path)/\(name)"))
        }
        func findings(_ name: String) throws -> [Finding] {
            let data = try record(name)
            return try #require(
                try? JSONDecoder().decode([Finding].self, from: data),
                "\(String(decoding: data, as: UTF8.self))\(end.errors)")
        }
        let lines = end.text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        let statuses = Dictionary(lines.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { _, last in last }
        return Outcome(before: try findings("before"), after: try findings("after"), statuses: statuses)
    }

    private static func script(_ test: DoctorCase) -> String {
        """
        place=$1 records=$2 name=$3 other=$2/other
        PATH='\(ChildProcess.productDirectory)':$PATH
        export SHAREDMEM_DIRECTORY=$place
        chmod 755 "$place" "$records"; mkdir "$other"; mkfifo "$records/input"; exec 9<>"$records/input"
        begun() { until grep -q ed "$records/said"; do sleep 0.01; done; rm "$records/said"; }
        hold() { probe "$1" "$2" hold whileAttached <"$records/input" 9>&- >"$records/said" 2>&1 & holder=$!; begun; }
        trap 'kill -CONT $(jobs -p) 2>/dev/null; sharedmem unlink $name --directory /dev/shm 2>/dev/null' EXIT
        set -e
        \(test.setUp)
        set +e
        # What doctor must leave as it is.
        state() { find "$place" "$other" -printf '%p %i %s %m %n %U %T@ %C@\\n' 2>/dev/null | sort; }
        doctor() { \(test.launcher) sharedmem doctor $name "$@" \(test.arguments); }
        state >"$records/state"
        doctor --json >"$records/before" 2>"$records/errors"; echo "before $?"
        state | cmp - "$records/state" >&2 && echo "state unchanged"
        doctor >"$records/page"; echo "page $?"
        python3 - "$records" >"$records/fix" <<'END'
        import json, sys
        found = json.load(open(sys.argv[1] + "/before"))
        print("\\n".join(found[0]["fix"]) if found else "")
        END
        . "$records/fix" >"$records/repaired" 2>"$records/repair-errors"; echo "repair $?"
        cat "$records/errors" "$records/repair-errors" >&2
        \(test.isShownElsewhere ? "echo '[]' >\"$records/after\"; echo 'after 0'" : "")
        \(test.isShownElsewhere ? "" : "doctor --json >\"$records/after\"; echo \"after $?\"")
        exit 0
        """
    }
}
