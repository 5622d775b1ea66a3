package qmp

// What C calls, in a turn of the shared reactor or while a monitor is freed: always on a thread that Go made. These
// functions note what came and wake who waits, and take no lock but a table's.

// #include "glue.h"
import "C"

var (
	// The calls that are under way.
	calls table[*call]
	// The streams: each is woken by its channel.
	streams table[chan<- struct{}]
)

//export libqmpGoDone
func libqmpGoDone(token C.uintptr_t, failure *C.qmp_error) {
	libqmpGoReply(token, failure, nil, 0)
}

//export libqmpGoReply
func libqmpGoReply(token C.uintptr_t, failure *C.qmp_error, json *C.char, length C.size_t) {
	call, ok := calls.take(uintptr(token))
	if !ok {
		return
	}
	if failure != nil {
		call.failure = copyError(call.target, failure)
	} else if json != nil {
		call.reply = goBytes(json, length)
	}
	close(call.done)
}

//export libqmpGoEvent
func libqmpGoEvent(token C.uintptr_t) {
	ready, ok := streams.get(uintptr(token))
	if !ok {
		return
	}
	select {
	case ready <- struct{}{}:
	default:
	}
}
