// Reads the text that its parent has set.

import SharedMemory

let segment = try Segment.attach()
try segment.withText { text in
    print("Child process read from shared memory: \(String(copying: text))")
}
