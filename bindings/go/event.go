package qmp

import "encoding/json"

// The library's own events. They come whatever event was asked for.
const (
	// Connected: a link is ready for commands.
	Connected = "LIBQMP_CONNECTED"
	// Disconnected: a link is gone; Data["reason"] says why.
	Disconnected = "LIBQMP_DISCONNECTED"
	// EventsLost: events were lost in this place; see Event.Lost.
	EventsLost = "LIBQMP_EVENTS_LOST"
	// DomainStarted: libvirt has started the domain; Data["reason"] is its word for why.
	DomainStarted = "LIBQMP_DOMAIN_STARTED"
	// DomainStopped: the domain is shut off; Data["reason"] is libvirt's word for why.
	DomainStopped = "LIBQMP_DOMAIN_STOPPED"
)

// Event is one event of the machine, or of the library.
type Event struct {
	// Event is its name, such as "SHUTDOWN".
	Event string `json:"event"`
	// Data is what comes with it, or nil.
	Data map[string]interface{} `json:"data"`
	// Timestamp is when it happened.
	Timestamp struct {
		// Seconds since 1970, or -1.
		Seconds int64 `json:"seconds"`
		// Microseconds of that second, or -1.
		Microseconds int64 `json:"microseconds"`
	} `json:"timestamp"`
}

// Lost tells whether this says that events were lost here, because the queue was full or the link could not keep them;
// and how many, or -1 where nobody knows.
func (e Event) Lost() (count int64, lost bool) {
	if e.Event != EventsLost {
		return 0, false
	}
	if number, ok := e.Data["count"].(float64); ok {
		return int64(number), true
	}
	return -1, true
}

func parseEvent(text []byte) (Event, error) {
	var event Event
	err := json.Unmarshal(text, &event)
	return event, err
}
