// Sets the text to its argument, if it has one, and prints the text and its version.
package main

// #cgo pkg-config: sharedmem
// #include <sharedmem.h>
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

func run() error {
	// sharedmem_last_error is about the last call in its thread, so the goroutine must stay in one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	segment := C.sharedmem_attach_simple(nil, nil, 0, 0)
	if segment == nil {
		return lastError()
	}
	defer C.sharedmem_detach(segment)

	if len(os.Args) > 1 {
		text := C.CString(os.Args[1])
		defer C.free(unsafe.Pointer(text))
		if C.sharedmem_set(segment, text, C.size_t(len(os.Args[1])), nil) != 0 {
			return lastError()
		}
	}

	var version C.sharedmem_version_t
	text := C.sharedmem_get_alloc(segment, nil, &version)
	if text == nil {
		return lastError()
	}
	defer C.sharedmem_free(text)
	fmt.Printf("%s\n%016x-%d\n", C.GoString(text), version.instance, version.number)
	return nil
}

func lastError() error { return errors.New(C.GoString(C.sharedmem_last_error())) }

// Go runs no destructors of C libraries when it exits, and os.Exit none of the deferred calls: so run detaches.
func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
