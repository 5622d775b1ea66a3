package qmp

// #include "glue.h"
import "C"

// State is how far a Client is.
type State int32

const (
	// StateNew: never connected.
	StateNew State = C.QMP_STATE_NEW
	// StateConnecting: a link is on its way.
	StateConnecting State = C.QMP_STATE_CONNECTING
	// StateConnected: there is a link.
	StateConnected State = C.QMP_STATE_CONNECTED
	// StateDisconnected: there was a link, or an attempt at one; or the Client is closed.
	StateDisconnected State = C.QMP_STATE_DISCONNECTED
)

// String is the state in a word.
func (s State) String() string {
	switch s {
	case StateNew:
		return "new"
	case StateConnecting:
		return "connecting"
	case StateConnected:
		return "connected"
	default:
		return "disconnected"
	}
}

// State tells how far the Client is.
func (c *Client) State() State {
	handle, err := c.enter()
	if err != nil {
		return StateDisconnected
	}
	defer c.leave()
	return State(C.qmp_monitor_state(handle))
}
