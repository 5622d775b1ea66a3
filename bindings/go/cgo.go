package qmp

// How the C library is found, and how texts go there and back.

// #cgo pkg-config: libqmp
// #include <stdlib.h>
// #include "glue.h"
import "C"

import (
	"strings"
	"unsafe"
)

// LibraryVersion is the version of the C library that runs, such as "0.1.0".
func LibraryVersion() string {
	return C.GoString(C.qmp_version_string())
}

// cText is a copy for C. It is the caller's, to be freed by freeText. A text with a NUL would end early there: it is
// refused, for the target that it is about.
func cText(target, text string) (*C.char, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, invalid(target, "a text with a NUL in it")
	}
	return C.CString(text), nil
}

func freeText(text *C.char) {
	C.free(unsafe.Pointer(text))
}

// goBytes is a copy of what C has lent. A reply may be larger than a C.int says, which C.GoBytes takes.
func goBytes(data *C.char, length C.size_t) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(data)), int(length))...)
}

// cBytes lends bytes that end with a NUL to C, for the time of a call.
func cBytes(bytes []byte) *C.char {
	return (*C.char)(unsafe.Pointer(&bytes[0]))
}

// takeBuffer makes a buffer that C has given away Go's.
func takeBuffer(buffer *C.qmp_buffer) []byte {
	defer C.qmp_buffer_free(buffer)
	return goBytes(C.qmp_buffer_data(buffer), C.qmp_buffer_len(buffer))
}
