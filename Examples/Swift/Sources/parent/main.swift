// Sets the text and starts a process that reads it.
//
//     swift build
//     .build/debug/parent .build/debug/child

import Foundation
import SharedMemory

guard CommandLine.arguments.count == 2 else {
    FileHandle.standardError.write(Data("usage: \(CommandLine.arguments[0]) CHILD\n".utf8))
    exit(64)
}

print("Process is writing to shared memory...\n")
fflush(nil)
let segment = try Segment.attach()
try segment.set("Esta es una cadena de prueba")

// The text disappears with the last attached process, so this one stays until the child has read the text.
let child = try Process.run(URL(fileURLWithPath: CommandLine.arguments[1]), arguments: [])
child.waitUntilExit()
exit(child.terminationStatus)
