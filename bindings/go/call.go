package qmp

// #include "glue.h"
import "C"

import (
	"context"
	"errors"
	"time"
)

// call is something that C was asked for and will answer once.
type call struct {
	target string
	done   chan struct{}
	// These two are written before done is closed.
	reply   []byte
	failure *Error
}

func newCall(target string) *call {
	return &call{target: target, done: make(chan struct{})}
}

// wait waits for the answer. A context that ends first has the call stopped, which makes the answer come.
func (c *call) wait(ctx context.Context, stop func()) {
	select {
	case <-c.done:
		return
	case <-ctx.Done():
	}
	// The library has the same deadline, and more to say about it.
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > 0 || timeout(ctx) < 0 {
		stop()
	}
	<-c.done
}

// explain completes the reason of a call that failed: was it the context, or Close?
func (c *call) explain(ctx context.Context, closed bool) error {
	if c.failure == nil {
		return nil
	}
	switch cause := ended(ctx); {
	case c.failure.Code != CodeCanceled && c.failure.Code != CodeTimeout && c.failure.Code != CodeConnect:
	case c.failure.Code == CodeCanceled && closed:
		c.failure.cause = ErrClosed
	case cause != nil:
		c.failure.cause = cause
		if c.failure.Code == CodeCanceled && errors.Is(cause, context.DeadlineExceeded) {
			c.failure.Code = CodeTimeout
		}
	}
	return c.failure
}

// ended is why a context has ended, or nil. Its timer may be late.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && time.Until(at) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// timeout is what C is told of a context's deadline.
func timeout(ctx context.Context) C.int32_t {
	at, ok := ctx.Deadline()
	if !ok {
		return C.QMP_TIMEOUT_DEFAULT
	}
	left := time.Until(at)
	if left <= 0 {
		return 0
	}
	return C.int32_t(milliseconds(left))
}
