// Package qmp talks to running QEMU virtual machines over the QEMU Machine Protocol (QMP), by the C library libqmp.
//
// A Client is one monitor: of a QEMU socket ("unix:/run/vm.qmp", "tcp:HOST:PORT"), of a domain under libvirt
// ("qemu:///system#web-1"), or through the program virsh ("virsh:qemu:///system#web-1"). Only the target differs; what
// a program does with it is the same. The methods Connect, Disconnect, Run and Events have the shape that programs for
// Go's QMP monitors know: see the interface Monitor.
//
//	vm, err := qmp.Open("unix:/run/vm.qmp")
//	if err != nil {
//		return err
//	}
//	defer vm.Close()
//	var status struct{ Status string }
//	err = vm.Execute(ctx, "query-status", nil, &status)
//
// # Contexts
//
// A method with a context ends when the context does: the command is cancelled in the library, its late reply is
// dropped, and the link goes on; QEMU may still carry the command out (Error.Delivery). A context's deadline takes the
// place of the option "timeout" (30 seconds), which bounds every call whose context has none.
//
// # Errors
//
// Every failure of the library is an *Error. A Code is an error too, for errors.Is; so are context.DeadlineExceeded,
// context.Canceled, ErrClosed, and the system's numbers (syscall.ECONNREFUSED, fs.ErrNotExist).
//
// # Goroutines
//
// Everything may be called from any number of goroutines, on one Client too. One that waits holds no thread: all
// clients share a reactor, whose descriptor is in the Go runtime's poller. An answer costs one wake-up: the goroutine
// that turns the reactor is woken by the descriptor, and hands over to the one that waits. That goroutine is there
// while any Client is open. The library makes no thread and calls no Go from a thread that Go does not know. Only
// ListDomains holds a thread while it waits.
//
// A Client that nobody can reach any more is closed by the garbage collector, as the connections of package net are.
package qmp
