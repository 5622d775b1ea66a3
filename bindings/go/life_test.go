package qmp

// Nothing stays behind, whoever forgets to close what, and closing may come at any moment. These tests count what the
// process has, so none runs beside them.

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// descriptors is what the process has open, but for what the tests' own servers need.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}

func TestNothingIsLeftBehind(t *testing.T) {
	vm := qemu(t)
	// What the runtime and the library keep from the first time on is no leak.
	open(t, vm.target).Close()
	fds, routines := descriptors(t), runtime.NumGoroutine()
	for round := 0; round < 20; round++ {
		client := open(t, vm.target)
		events, err := client.Events(context.Background())
		check(t, err)
		stream, err := client.Stream("STOP")
		check(t, err)
		_, err = stream.Next(within(t, time.Millisecond))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		status(t, client)
		check(t, client.Close())
		check(t, stream.Close())
		ends(t, events)
	}
	until(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= routines })
	// The runtime may close one a moment after the goroutine that used it has ended.
	until(t, "descriptors are closed", func() bool { return descriptors(t) <= fds })
	if shared.clients != 0 || len(calls.entries) != 0 || len(streams.entries) != 0 {
		t.Error("the tables are not empty: ", shared.clients, calls.entries, streams.entries)
	}
}

// forget leaves a connected client, a stream and nothing that leads to them.
func forget(t *testing.T, target string) {
	client, err := Open(target)
	check(t, err)
	stream, err := client.Stream("")
	check(t, err)
	execute(t, client, "cont")
	_, err = stream.Next(within(t, soon))
	check(t, err)
}

func TestForgottenClientsAreClosed(t *testing.T) {
	vm := qemu(t)
	forget(t, vm.target)
	// QEMU serves one at a time: another gets in when the first is gone.
	until(t, "the garbage collector closes a client", func() bool {
		runtime.GC()
		client, err := Open(vm.target, WithTimeout(200*time.Millisecond))
		if err != nil {
			return false
		}
		client.Close()
		return true
	})
	until(t, "the reactor goes", func() bool {
		runtime.GC()
		shared.Lock()
		defer shared.Unlock()
		return shared.clients == 0 && shared.handle == nil
	})
}

func TestClosingAtAnyMoment(t *testing.T) {
	vm := qemu(t)
	for round := 0; round < 30; round++ {
		client := open(t, vm.target)
		var group sync.WaitGroup
		for worker := 0; worker < 6; worker++ {
			worker := worker
			group.Add(1)
			go func() {
				defer group.Done()
				useUntilClosed(t, client, worker)
			}()
		}
		time.Sleep(time.Duration(round) * 300 * time.Microsecond)
		check(t, client.Close())
		group.Wait()
	}
}

// useUntilClosed does one kind of thing again and again; nothing may fail before the client is closed.
func useUntilClosed(t *testing.T, client *Client, kind int) {
	for n := 0; ; n++ {
		var err error
		switch kind {
		case 0:
			_, err = client.Run([]byte(`{"execute":"query-status"}`))
		case 1:
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%5)*100*time.Microsecond)
			err = client.Execute(ctx, "query-name", nil, nil)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
		case 2:
			ctx, cancel := context.WithCancel(context.Background())
			go cancel()
			err = client.Execute(ctx, "query-version", nil, nil)
			if errors.Is(err, context.Canceled) {
				err = nil
			}
		case 3:
			var stream *Stream
			if stream, err = client.Stream("STOP"); err == nil {
				err = stream.Close()
			}
		case 4:
			ctx, cancel := context.WithCancel(context.Background())
			var events <-chan Event
			if events, err = client.Events(ctx); err == nil {
				cancel()
				ends(t, events)
			}
			cancel()
		default:
			err = client.Set("max-events", "100")
			client.State()
			client.Supports("oob")
		}
		if errors.Is(err, ErrClosed) {
			return
		}
		if err != nil {
			t.Errorf("kind %d: %#v", kind, err)
			return
		}
	}
}

func TestVersionIsThatOfTheLibrary(t *testing.T) {
	if version := LibraryVersion(); strings.Count(version, ".") != 2 {
		t.Fatal(version)
	}
}
