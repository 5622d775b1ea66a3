package qmp

// How connecting ends when nobody lets one in.

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBadTargetsAndOptions(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "nonsense", "unix:", "unix:/a\x00b", "tcp:nowhere"} {
		_, err := New(target)
		var failure *Error
		if !errors.As(err, &failure) || failure.Code != CodeInvalidArgument || failure.Target != target {
			t.Errorf("%q: %#v", target, err)
		}
	}
	options := []Option{With("no-such-option", "1"), With("timeout", "soon"), With("time\x00out", "1"),
		With("timeout", "1\x00"), WithEventQueue(-1, 1), WithLogin("only a name", "\xff")}
	for _, option := range options {
		if _, err := New("unix:/nowhere", option); !errors.Is(err, CodeInvalidArgument) {
			t.Errorf("%#v", err)
		}
	}
}

func TestASocketThatIsNotThere(t *testing.T) {
	t.Parallel()
	target := "unix:" + filepath.Join(folder(t), "nobody")
	_, err := OpenContext(within(t, 200*time.Millisecond), target)
	var failure *Error
	if !errors.As(err, &failure) || failure.Code != CodeConnect || !strings.Contains(failure.Message, target) {
		t.Fatalf("%#v", err)
	}
	// Both the context's end and the system's reason can be found.
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%#v", err)
	}
	if _, err := Open(target, WithTimeout(50*time.Millisecond)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%#v", err)
	}
}

// silent accepts and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	path := filepath.Join(folder(t), "silent")
	listener, err := net.Listen("unix", path)
	check(t, err)
	t.Cleanup(func() { listener.Close() })
	return "unix:" + path
}

func TestConnectingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	target := silent(t)
	_, err := OpenContext(within(t, 100*time.Millisecond), target)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, CodeTimeout) {
		t.Fatalf("%#v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	begin := time.Now()
	if _, err := OpenContext(ctx, target); !errors.Is(err, context.Canceled) || !errors.Is(err, CodeCanceled) {
		t.Fatalf("%#v", err)
	}
	if took := time.Since(begin); took > soon/2 {
		t.Fatal(took)
	}
	if _, err := OpenContext(ctx, target); !errors.Is(err, context.Canceled) {
		t.Fatalf("%#v", err)
	}
}

func TestClosingEndsConnecting(t *testing.T) {
	t.Parallel()
	client, err := New(silent(t))
	check(t, err)
	time.AfterFunc(100*time.Millisecond, func() { client.Close() })
	if err := client.Connect(); !errors.Is(err, ErrClosed) {
		t.Fatalf("%#v", err)
	}
}

func TestEventsBeforeALinkComesAbout(t *testing.T) {
	t.Parallel()
	vm := qemu(t)
	client, err := New(vm.target)
	check(t, err)
	defer client.Close()
	events, err := client.Events(context.Background())
	check(t, err)
	// A stream that nobody feeds yet waits.
	time.Sleep(50 * time.Millisecond)
	check(t, client.Connect())
	next(t, events, Connected)
}
