package qmp

// The reactor that all clients share. Its descriptor is in the Go runtime's poller, so that no thread waits for it;
// one goroutine turns it when the poller says so, and ends with the last client.

// #include "glue.h"
import "C"

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

var shared struct {
	sync.Mutex
	handle  *C.qmp_reactor
	watched *os.File
	clients int
}

// acquireReactor gives the reactor for one more client, until releaseReactor.
func acquireReactor() (*C.qmp_reactor, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.clients == 0 {
		if err := beginReactor(); err != nil {
			return nil, err
		}
	}
	shared.clients++
	return shared.handle, nil
}

func releaseReactor() {
	shared.Lock()
	defer shared.Unlock()
	if shared.clients--; shared.clients > 0 {
		return
	}
	// This waits until the goroutine is done with the reactor.
	shared.watched.Close()
	C.qmp_reactor_free(shared.handle)
	shared.handle, shared.watched = nil, nil
}

func beginReactor() error {
	var failure *C.qmp_error
	handle := C.qmp_reactor_new(&failure)
	if handle == nil {
		return takeError("", failure)
	}
	fd, errno := C.libqmp_go_watch(handle)
	if fd < 0 {
		C.qmp_reactor_free(handle)
		return fmt.Errorf("qmp: the reactor has no descriptor: %w", errno)
	}
	watched, err := pollable(int(fd))
	if err != nil {
		C.qmp_reactor_free(handle)
		return err
	}
	shared.handle, shared.watched = handle, watched
	go turnReactor(handle, watched)
	return nil
}

// turnReactor turns whenever the descriptor becomes readable, until the file is closed. The poller tells only that it
// becomes so: each time all is done that there is to do.
func turnReactor(handle *C.qmp_reactor, watched *os.File) {
	connection, err := watched.SyscallConn()
	if err != nil {
		return
	}
	// It never says that it is done reading: this returns when the file is closed.
	_ = connection.Read(func(fd uintptr) bool {
		for C.libqmp_go_turn(handle, C.int32_t(fd)) != 0 {
		}
		return false
	})
}

// pollable is a descriptor in the runtime's poller.
func pollable(fd int) (*os.File, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "libqmp")
	// Only what is in the poller can have a deadline.
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, fmt.Errorf("qmp: the reactor cannot be polled: %w", err)
	}
	return file, nil
}
