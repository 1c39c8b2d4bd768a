// Checks that a call that succeeds leaves errno as it was: cgo then returns no error beside the result.
package main

// #cgo pkg-config: sharedmem
// #include <sharedmem.h>
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

var failed = false

func expect(call string, asExpected bool, err error, expected error) {
	if !asExpected || err != expected {
		fmt.Fprintf(os.Stderr, "%s: %t, error %v\n", call, asExpected, err)
		failed = true
	}
}

func succeeds(call string, result C.int, err error) { expect(call, result == 0, err, nil) }

func main() {
	runtime.LockOSThread()

	segment, err := C.sharedmem_attach_simple(nil, nil, 0, 0)
	expect("attach", segment != nil, err, nil)
	again, err := C.sharedmem_attach(nil, nil)
	expect("attach again", again == segment, err, nil)
	reading, err := C.sharedmem_attach_simple(nil, nil, 0, C.SHAREDMEM_READ_ONLY)
	expect("attach read-only", reading != nil && reading != segment, err, nil)

	var version, next C.sharedmem_version_t
	text := C.CString("ñandú")
	result, err := C.sharedmem_set(segment, text, 7, &version)
	succeeds("set", result, err)
	result, err = C.sharedmem_set_if(segment, text, 7, &version, &next)
	succeeds("set_if", result, err)
	result, err = C.sharedmem_set_if(segment, text, 7, &version, &next)
	expect("set_if with an old version", result == -1, err, syscall.ESTALE)
	for _, handle := range []*C.sharedmem_t{segment, reading} {
		var length C.size_t
		copied, err := C.sharedmem_get_alloc(handle, &length, &version)
		expect("get_alloc", copied != nil && length == 7 && version == next, err, nil)
		_, err = C.sharedmem_free(copied)
		expect("free", true, err, nil)
		var borrow C.sharedmem_borrow_t
		result, err = C.sharedmem_borrow(handle, &borrow)
		succeeds("borrow", result, err)
		result, err = C.sharedmem_release(handle, &borrow)
		succeeds("release", result, err)
		reader, err := C.sharedmem_reader_open(handle)
		expect("reader_open", reader != nil, err, nil)
		read, err := C.sharedmem_reader_read(reader)
		expect("reader_read", read != nil && read.length == 7, err, nil)
		_, err = C.sharedmem_reader_unpin(reader)
		expect("reader_unpin", true, err, nil)
		_, err = C.sharedmem_reader_close(reader)
		expect("reader_close", true, err, nil)
		result, err = C.sharedmem_wait(handle, C.sharedmem_version_t{}, -1, &version)
		succeeds("wait", result, err)
		result, err = C.sharedmem_wait_after(handle, next.instance, next.number, 1, nil)
		expect("wait_after without a change", result == -1, err, syscall.ETIMEDOUT)
		descriptor, err := C.sharedmem_eventfd(handle)
		expect("eventfd", descriptor >= 0, err, nil)
		result, err = C.sharedmem_version(handle, &version)
		succeeds("version", result, err)
	}

	var info C.sharedmem_info_t
	result, err = C.sharedmem_info(nil, nil, &info)
	succeeds("info", result, err)
	var buffer [100]C.char
	size, err := C.sharedmem_list(nil, &buffer[0], C.size_t(len(buffer)))
	expect("list", size == 7, err, nil)
	_, err = C.sharedmem_version_format(version, &buffer[0])
	expect("version_format", true, err, nil)
	result, err = C.sharedmem_version_parse(&buffer[0], &version)
	succeeds("version_parse", result, err)
	wide := []int32{'a', 0}
	_, err = C.SetSharedMem((*C.wchar_t)(unsafe.Pointer(&wide[0])))
	expect("SetSharedMem", true, err, nil)

	// A read-only handle, an unlinked segment and a handle that was attached twice are each detached in another way.
	result, err = C.sharedmem_detach(reading)
	succeeds("detach read-only", result, err)
	other := C.CString("other")
	unlinked, err := C.sharedmem_attach_simple(other, nil, 0, 0)
	expect("attach to another", unlinked != nil, err, nil)
	result, err = C.sharedmem_unlink(other, nil)
	succeeds("unlink", result, err)
	result, err = C.sharedmem_detach(unlinked)
	succeeds("detach unlinked", result, err)
	result, err = C.sharedmem_detach(segment)
	succeeds("detach", result, err)
	result, err = C.sharedmem_detach(again)
	succeeds("detach again", result, err)
	result, err = C.sharedmem_unlink(C.CString("shared"), nil) // Go does not unload the library, which is attached too.
	succeeds("unlink the library's own", result, err)

	if failed {
		os.Exit(1)
	}
}
