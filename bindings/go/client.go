package qmp

// #include "glue.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
)

// Client is one monitor of one machine. All methods may be called from any goroutine.
type Client struct {
	target string
	// Read-locked while C has the handle, which no C call keeps for longer than it takes to look and write.
	mu sync.RWMutex
	// NULL once it is closed.
	handle *C.qmp_monitor
	closed chan struct{}
}

// New makes a Client without any I/O: ask for its Events, then Connect, and nothing is missed.
func New(target string, options ...Option) (*Client, error) {
	text, err := cText(target, target)
	if err != nil {
		return nil, err
	}
	defer freeText(text)
	reactor, err := acquireReactor()
	if err != nil {
		return nil, err
	}
	var failure *C.qmp_error
	handle := C.qmp_monitor_new(reactor, text, &failure)
	if handle == nil {
		releaseReactor()
		return nil, takeError(target, failure)
	}
	c := &Client{target: target, handle: handle, closed: make(chan struct{})}
	runtime.SetFinalizer(c, func(c *Client) { c.Close() })
	for _, option := range options {
		if err := option(c); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Open makes a Client and connects it, within the option "timeout".
func Open(target string, options ...Option) (*Client, error) {
	return OpenContext(context.Background(), target, options...)
}

// OpenContext makes a Client and connects it, within the context.
func OpenContext(ctx context.Context, target string, options ...Option) (*Client, error) {
	c, err := New(target, options...)
	if err != nil {
		return nil, err
	}
	if err := c.ConnectContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the link and everything that waits for it: these calls return errors that are ErrClosed, channels of
// events are closed. It waits for no machine, and may be called again. The error is always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle == nil {
		return nil
	}
	runtime.SetFinalizer(c, nil)
	// Before the calls that wait are ended: they look at it for the reason.
	close(c.closed)
	C.qmp_monitor_free(c.handle)
	c.handle = nil
	releaseReactor()
	return nil
}

// Target is the target as it was given.
func (c *Client) Target() string {
	return c.target
}

// Supports tells whether the link that there is can do this: "events"; "fds", files with a command; "oob", commands
// that overtake others. Without a link it can do nothing.
func (c *Client) Supports(feature string) bool {
	text, err := cText(c.target, feature)
	if err != nil {
		return false
	}
	defer freeText(text)
	handle, err := c.enter()
	if err != nil {
		return false
	}
	defer c.leave()
	return C.qmp_monitor_supports(handle, text) == 1
}

// enter keeps the handle from being freed until leave.
func (c *Client) enter() (*C.qmp_monitor, error) {
	c.mu.RLock()
	if c.handle == nil {
		c.mu.RUnlock()
		return nil, tooLate(c.target)
	}
	return c.handle, nil
}

func (c *Client) leave() {
	c.mu.RUnlock()
}

func (c *Client) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}
