package qmp

// #include "glue.h"
import "C"

import (
	"bytes"
	"context"
	"io/fs"
	"os"
)

// Run sends a whole QMP command, {"execute": "query-status"}, and returns QEMU's whole reply, within the option
// "timeout". See RunContext.
func (c *Client) Run(command []byte) ([]byte, error) {
	return c.RunContext(context.Background(), command)
}

// RunContext sends a whole QMP command, and returns QEMU's whole reply; an id comes back in it byte for byte. The
// command is checked first: of a bad one QEMU sees nothing. If QEMU answers with an error, that is an *Error with
// CodeCommand. Files go to QEMU with the command (getfd, add-fd), which takes one at a time; they stay the caller's.
func (c *Client) RunContext(ctx context.Context, command []byte, files ...*os.File) ([]byte, error) {
	if bytes.IndexByte(command, 0) >= 0 {
		return nil, invalid(c.target, "a command with a NUL in it")
	}
	if err := ended(ctx); err != nil {
		return nil, contextEnded(c.target, err)
	}
	// C reads up to a NUL, during the call.
	request := append(append(make([]byte, 0, len(command)+1), command...), 0)
	answer := newCall(c.target)
	id, err := c.start(ctx, answer, request, files)
	if err != nil {
		return nil, err
	}
	answer.wait(ctx, func() { c.cancel(id) })
	return answer.reply, answer.explain(ctx, c.isClosed())
}

func (c *Client) start(ctx context.Context, answer *call, request []byte, files []*os.File) (C.uint64_t, error) {
	var id C.uint64_t
	var failure *C.qmp_error
	err := c.lend(files, nil, func(fds []C.int32_t) error {
		handle, err := c.enter()
		if err != nil {
			return err
		}
		defer c.leave()
		var first *C.int32_t
		if len(fds) > 0 {
			first = &fds[0]
		}
		token := calls.put(answer)
		id = C.libqmp_go_start(handle, cBytes(request), first, C.size_t(len(fds)), timeout(ctx), C.uintptr_t(token), &failure)
		if id == 0 {
			calls.take(token)
			return takeError(c.target, failure)
		}
		return nil
	})
	return id, err
}

// cancel has an open command answered at once; one that has its answer is left alone.
func (c *Client) cancel(id C.uint64_t) {
	handle, err := c.enter()
	if err != nil {
		// Close answers what is open.
		return
	}
	defer c.leave()
	C.qmp_monitor_cancel(handle, id)
}

// lend gives the files' descriptors after fds to use, and keeps them from being closed meanwhile. (File.Fd would make
// them blocking.)
func (c *Client) lend(files []*os.File, fds []C.int32_t, use func(fds []C.int32_t) error) error {
	if len(files) == 0 {
		return use(fds)
	}
	if files[0] == nil {
		return invalid(c.target, "a file that is nil")
	}
	var inner error
	connection, err := files[0].SyscallConn()
	if err == nil {
		err = connection.Control(func(fd uintptr) {
			inner = c.lend(files[1:], append(fds, C.int32_t(fd)), use)
		})
	}
	if err != nil {
		// There is no other reason.
		failure := invalid(c.target, "a file that is closed")
		failure.cause = fs.ErrClosed
		return failure
	}
	return inner
}
