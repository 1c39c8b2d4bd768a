"""Changes the text until standard input ends, then prints how often it did.

    writer.py MILLISECONDS     between two changes
"""
import select
import sys

import sharedmem

segment = sharedmem.Segment()
count = 1
segment.set(sharedmem.make(count))
print("ready", flush=True)
while not select.select([sys.stdin], [], [], float(sys.argv[1]) / 1000)[0]:
    count += 1
    segment.set(sharedmem.make(count))
print(count)
