package qmp

// #include "glue.h"
import "C"

import "context"

// Connect connects within the option "timeout". See ConnectContext.
func (c *Client) Connect() error {
	return c.ConnectContext(context.Background())
}

// ConnectContext connects. While the socket does not exist yet or refuses, it is tried again until the deadline. A
// domain of libvirt that is shut off is connected to as well: its events come when it is started. After a loss nothing
// reconnects by itself: call it again.
func (c *Client) ConnectContext(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return contextEnded(c.target, err)
	}
	handle, err := c.enter()
	if err != nil {
		return err
	}
	attempt := newCall(c.target)
	token := calls.put(attempt)
	var failure *C.qmp_error
	begun := C.libqmp_go_connect(handle, timeout(ctx), C.uintptr_t(token), &failure)
	c.leave()
	if begun != 0 {
		calls.take(token)
		return takeError(c.target, failure)
	}
	stopped := false
	attempt.wait(ctx, func() {
		stopped = true
		_ = c.Disconnect()
	})
	if stopped && attempt.failure == nil {
		// It had just come about.
		return contextEnded(c.target, ctx.Err())
	}
	return attempt.explain(ctx, c.isClosed())
}

// Disconnect ends the link without waiting for QEMU: open commands end with CodeDisconnected, channels of events with
// the event Disconnected. Without a link it does nothing. The Client can connect again.
func (c *Client) Disconnect() error {
	handle, err := c.enter()
	if err != nil {
		// What is closed has no link.
		return nil
	}
	defer c.leave()
	var failure *C.qmp_error
	if C.qmp_monitor_disconnect(handle, &failure) != 0 {
		return takeError(c.target, failure)
	}
	return nil
}
