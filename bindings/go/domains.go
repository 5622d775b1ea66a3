package qmp

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
)

// Domain is a virtual machine that a libvirt daemon knows.
type Domain struct {
	// Name is unique on its host.
	Name string `json:"name"`
	// UUID is unique everywhere.
	UUID string `json:"uuid"`
	// ID is its number while it runs, else -1.
	ID int `json:"id"`
	// State is libvirt's word: "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended",
	// "nostate".
	State string `json:"state"`
}

// ListDomains lists the domains of a hypervisor, running or not, sorted by name. The target is that of libvirt or of
// virsh without a domain: "qemu:///system", "virsh:qemu:///system". It connects for that, or shares a connection that
// a Client has. It holds a thread while it waits.
func ListDomains(ctx context.Context, target string, options ...Option) ([]Domain, error) {
	host, err := OpenContext(ctx, target, options...)
	if err != nil {
		return nil, err
	}
	defer host.Close()
	list := newCall(target)
	limit := timeout(ctx)
	go host.listDomains(list, limit)
	// Nothing else uses this link: ending it ends the call, wherever that is.
	list.wait(ctx, func() { _ = host.Disconnect() })
	if cause := ctx.Err(); cause != nil && list.failure != nil {
		return nil, contextEnded(target, cause)
	}
	if err := list.explain(ctx, false); err != nil {
		return nil, err
	}
	var domains []Domain
	if err := json.Unmarshal(list.reply, &domains); err != nil {
		return nil, fmt.Errorf("qmp: the domains of %s: %w", target, err)
	}
	return domains, nil
}

func (c *Client) listDomains(list *call, limit C.int32_t) {
	defer close(list.done)
	handle, err := c.enter()
	if err != nil {
		list.failure = tooLate(c.target)
		return
	}
	defer c.leave()
	var failure *C.qmp_error
	if buffer := C.qmp_monitor_domains(handle, limit, &failure); buffer != nil {
		list.reply = takeBuffer(buffer)
	} else {
		list.failure = takeError(c.target, failure)
	}
}
