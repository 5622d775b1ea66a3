package qmp

// #include "glue.h"
import "C"

// Code is the kind of a failure. It is an error for errors.Is: errors.Is(err, qmp.CodeNotRunning).
type Code int32

const (
	// CodeInvalidArgument: an argument cannot be right; the message says what was expected.
	CodeInvalidArgument Code = C.QMP_CODE_INVALID_ARGUMENT
	// CodeConnect: no link came about.
	CodeConnect Code = C.QMP_CODE_CONNECT
	// CodeAuth: the other side did not let us in, or is not who it should be.
	CodeAuth Code = C.QMP_CODE_AUTH
	// CodeNotFound: there is no such domain.
	CodeNotFound Code = C.QMP_CODE_NOT_FOUND
	// CodeNotRunning: the domain is shut off.
	CodeNotRunning Code = C.QMP_CODE_NOT_RUNNING
	// CodeState: the right call at the wrong moment.
	CodeState Code = C.QMP_CODE_STATE
	// CodeTimeout: the deadline passed.
	CodeTimeout Code = C.QMP_CODE_TIMEOUT
	// CodeDisconnected: there is no link, or it was lost.
	CodeDisconnected Code = C.QMP_CODE_DISCONNECTED
	// CodeCanceled: the context was cancelled, or the Client closed.
	CodeCanceled Code = C.QMP_CODE_CANCELED
	// CodeProtocol: the other side broke the protocol; the link is closed.
	CodeProtocol Code = C.QMP_CODE_PROTOCOL
	// CodeLimit: a message is over its size limit.
	CodeLimit Code = C.QMP_CODE_LIMIT
	// CodeCommand: QEMU answered with an error: see Error.Class, Error.Text and Error.Reply.
	CodeCommand Code = C.QMP_CODE_COMMAND
	// CodeUnsupported: this kind of link, or this other side, cannot do it.
	CodeUnsupported Code = C.QMP_CODE_UNSUPPORTED
	// CodeSystem: the operating system refused: see Error.Errno.
	CodeSystem Code = C.QMP_CODE_SYSTEM
	// CodeInternal: a bug in the library.
	CodeInternal Code = C.QMP_CODE_INTERNAL
)

var codeTexts = map[Code]string{
	CodeInvalidArgument: "invalid argument",
	CodeConnect:         "cannot connect",
	CodeAuth:            "not let in",
	CodeNotFound:        "no such domain",
	CodeNotRunning:      "the domain is shut off",
	CodeState:           "not at this moment",
	CodeTimeout:         "the deadline passed",
	CodeDisconnected:    "not connected",
	CodeCanceled:        "canceled",
	CodeProtocol:        "the protocol was broken",
	CodeLimit:           "over the size limit",
	CodeCommand:         "QEMU answered with an error",
	CodeUnsupported:     "not supported",
	CodeSystem:          "the operating system refused",
	CodeInternal:        "internal error",
}

// Error says what kind of failure it is, in a few words.
func (c Code) Error() string {
	if text, ok := codeTexts[c]; ok {
		return "qmp: " + text
	}
	return "qmp: unknown error"
}

// Delivery is how far a command got before it failed.
type Delivery int32

const (
	// DeliveryNotSent: nothing of the command was written.
	DeliveryNotSent Delivery = C.QMP_DELIVERY_NOT_SENT
	// DeliveryUnknown: some or all of it was written; whether QEMU carried it out, or will, is not known.
	DeliveryUnknown Delivery = C.QMP_DELIVERY_UNKNOWN
	// DeliveryAnswered: QEMU answered.
	DeliveryAnswered Delivery = C.QMP_DELIVERY_ANSWERED
)

// String is "not sent", "unknown" or "answered".
func (d Delivery) String() string {
	switch d {
	case DeliveryNotSent:
		return "not sent"
	case DeliveryAnswered:
		return "answered"
	default:
		return "unknown"
	}
}
