package qmp

import "context"

// Monitor is what a program needs that only runs commands and looks at events. *Client is one.
type Monitor interface {
	// Connect connects to the machine.
	Connect() error
	// Disconnect ends the link.
	Disconnect() error
	// Run sends a whole QMP command, and returns QEMU's whole reply.
	Run(command []byte) ([]byte, error)
	// Events tells the events of the machine until the context ends, or the link does.
	Events(ctx context.Context) (<-chan Event, error)
}

var _ Monitor = (*Client)(nil)
