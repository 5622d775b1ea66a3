package qmp

// #include "glue.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
)

// Stream holds events until they are asked for. It belongs to the Client, not to a link: it goes on when the Client
// connects again, and only Close ends it.
//
// The events wait in a bounded queue of the library's; a subscription to the same events only wakes the reader, so
// that a stream takes no descriptor.
type Stream struct {
	client *Client
	// Woken for each event.
	ready  chan struct{}
	token  uintptr
	closed chan struct{}
	// Held by the one who waits; the others wait for him.
	reading chan struct{}

	mu sync.Mutex
	// NULL once it is closed.
	handle       *C.qmp_events
	subscription C.uint64_t
}

// Stream makes a stream of the events of this name, or of all if it is empty. It holds what comes from now on; the
// library's own events always come.
func (c *Client) Stream(event string) (*Stream, error) {
	var name *C.char
	if event != "" {
		text, err := cText(c.target, event)
		if err != nil {
			return nil, err
		}
		defer freeText(text)
		name = text
	}
	handle, err := c.enter()
	if err != nil {
		return nil, err
	}
	defer c.leave()
	s := &Stream{client: c, ready: make(chan struct{}, 1), closed: make(chan struct{}), reading: make(chan struct{}, 1)}
	var failure *C.qmp_error
	if s.handle = C.qmp_monitor_events(handle, name, &failure); s.handle == nil {
		return nil, takeError(c.target, failure)
	}
	s.token = streams.put(s.ready)
	if s.subscription = C.libqmp_go_subscribe(handle, name, C.uintptr_t(s.token), &failure); s.subscription == 0 {
		streams.take(s.token)
		C.qmp_events_free(s.handle)
		return nil, takeError(c.target, failure)
	}
	runtime.SetFinalizer(s, func(s *Stream) { s.Close() })
	return s, nil
}

// Next waits for the next event. When the stream or the Client is closed the error is ErrClosed; what had come before
// the Client was closed is given first.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	text, err := s.NextRaw(ctx)
	if err != nil {
		return Event{}, err
	}
	return parseEvent(text)
}

// NextRaw is Next with the event's whole JSON, as QEMU wrote it.
func (s *Stream) NextRaw(ctx context.Context) ([]byte, error) {
	if err := s.wait(ctx, s.reading, nil); err != nil {
		return nil, err
	}
	defer func() { <-s.reading }()
	for {
		text, err := s.take()
		if text != nil || err != nil {
			return text, err
		}
		if err := s.wait(ctx, nil, s.ready); err != nil {
			return nil, err
		}
	}
}

// Close ends the stream, and whoever waits for it. It may be called again. The error is always nil.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle == nil {
		return nil
	}
	runtime.SetFinalizer(s, nil)
	if handle, err := s.client.enter(); err == nil {
		C.qmp_monitor_unsubscribe(handle, s.subscription)
		s.client.leave()
	}
	streams.take(s.token)
	C.qmp_events_free(s.handle)
	s.handle = nil
	close(s.closed)
	return nil
}

// wait waits until one of the channels takes or gives, the context ends, or the stream does.
func (s *Stream) wait(ctx context.Context, enter chan<- struct{}, ready <-chan struct{}) error {
	// A Client that is closed leaves the events that had come: only one who waits for more is woken by it.
	var clientClosed <-chan struct{}
	if ready != nil {
		clientClosed = s.client.closed
	}
	select {
	case enter <- struct{}{}:
		return nil
	case <-ready:
		return nil
	case <-clientClosed:
		return nil
	case <-s.closed:
		return tooLate(s.client.target)
	case <-ctx.Done():
		return contextEnded(s.client.target, ctx.Err())
	}
}

// take is the first event that is there, or nil if there is none yet.
func (s *Stream) take() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle == nil {
		return nil, tooLate(s.client.target)
	}
	var failure *C.qmp_error
	if buffer := C.qmp_events_next(s.handle, 0, &failure); buffer != nil {
		return takeBuffer(buffer), nil
	}
	switch why := takeError(s.client.target, failure); why.Code {
	case CodeTimeout, CodeDisconnected:
		return nil, nil
	case CodeCanceled:
		return nil, tooLate(s.client.target)
	default:
		return nil, why
	}
}
