package qmp

// #include "glue.h"
import "C"

import (
	"context"
	"errors"
	"syscall"
)

// ErrClosed is what errors.Is finds in the error of a call on a Client or Stream that is closed, or closed meanwhile.
var ErrClosed = errors.New("qmp: closed")

// Error is why a call failed. Get it by errors.As:
//
//	var failure *qmp.Error
//	if errors.As(err, &failure) && failure.Class == "DeviceNotFound" {
//		...
//	}
type Error struct {
	// Code is what kind of failure it was.
	Code Code
	// Message says what went wrong, for people; it names the target and the command.
	Message string
	// Target is the target of the Client.
	Target string
	// Class is QEMU's error class ("GenericError"), or empty if QEMU did not answer.
	Class string
	// Text is QEMU's or the daemon's own text alone, or empty. It is made for people: do not parse it.
	Text string
	// Reply is QEMU's whole error reply, or nil.
	Reply []byte
	// Delivery is how far the command got.
	Delivery Delivery
	// Errno is the operating system's error number, or 0.
	Errno syscall.Errno
	// Libvirt is libvirt's error number (virErrorNumber), or 0.
	Libvirt int

	// The context's error, ErrClosed, or nil.
	cause error
}

// Error is the message.
func (e *Error) Error() string {
	return e.Message
}

// Unwrap is context.DeadlineExceeded or context.Canceled when that ended the call, ErrClosed, or the system's error.
func (e *Error) Unwrap() error {
	if e.cause != nil || e.Errno == 0 {
		return e.cause
	}
	return e.Errno
}

// Is knows an error by its Code, and the system's error beside a context's.
func (e *Error) Is(target error) bool {
	if code, ok := target.(Code); ok {
		return e.Code == code
	}
	return e.Errno != 0 && errors.Is(e.Errno, target)
}

// Timeout tells whether a deadline passed, as the errors of package net do.
func (e *Error) Timeout() bool {
	return e.Code == CodeTimeout
}

// copyError is a copy of an error that C has lent.
func copyError(target string, lent *C.qmp_error) *Error {
	failure := &Error{
		Code:     Code(C.qmp_error_code(lent)),
		Message:  C.GoString(C.qmp_error_message(lent)),
		Target:   target,
		Class:    C.GoString(C.qmp_error_class(lent)),
		Text:     C.GoString(C.qmp_error_desc(lent)),
		Delivery: Delivery(C.qmp_error_delivery(lent)),
		Errno:    syscall.Errno(C.qmp_error_errno(lent)),
		Libvirt:  int(C.qmp_error_libvirt(lent)),
	}
	if reply := C.qmp_error_reply(lent); reply != nil {
		failure.Reply = []byte(C.GoString(reply))
	}
	if failure.Code == CodeTimeout {
		failure.cause = context.DeadlineExceeded
	}
	return failure
}

// takeError makes an error that C has given away Go's.
func takeError(target string, owned *C.qmp_error) *Error {
	defer C.qmp_error_free(owned)
	return copyError(target, owned)
}

// invalid is an argument that is not even shown to the library.
func invalid(target, what string) *Error {
	return &Error{Code: CodeInvalidArgument, Target: target, Message: target + ": " + what}
}

// tooLate is a call on something that is closed.
func tooLate(target string) *Error {
	return &Error{Code: CodeState, Target: target, Message: target + ": closed", cause: ErrClosed}
}

// contextEnded is a call whose context had ended, or ended while nothing was asked of the machine.
func contextEnded(target string, cause error) *Error {
	code := CodeCanceled
	if errors.Is(cause, context.DeadlineExceeded) {
		code = CodeTimeout
	}
	return &Error{Code: code, Target: target, Message: target + ": " + cause.Error(), cause: cause}
}
