package qmp

// What all tests use: a deadline, waiting, and folders that servers can reach.

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// How long what should be soon may take on a busy machine.
const soon = 30 * time.Second

// What has to stand on the machine: scripts/setup.sh test installs it.
var programs = []string{"qemu-system-x86_64", "libvirtd", "virsh"}

func TestMain(m *testing.M) {
	// Daemons lie where an ordinary user's PATH does not look.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintln(os.Stderr, "run scripts/setup.sh test:", err)
			os.Exit(1)
		}
	}
	adoptOrphans()
	status := m.Run()
	endDaemon()
	os.Exit(status)
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for what nobody tells.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long: ", what)
		}
	}
}

// folder is a new one with a path that is short enough for sockets in it, and open to the daemon's user.
func folder(t testing.TB) string {
	t.Helper()
	path, err := os.MkdirTemp("/tmp", "libqmp-go-")
	if err == nil {
		err = os.Chmod(path, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(path) })
	return path
}

// machine is a running QEMU, and a way to it.
type machine struct {
	target string
	pid    int
	// Has it shut down; a client may be connected.
	shutDown func(testing.TB)
}

// qemu starts a QEMU without a machine, stopped, with one monitor.
func qemu(t testing.TB) machine {
	t.Helper()
	path := filepath.Join(folder(t), "qmp")
	command := exec.Command("qemu-system-x86_64", "-accel", "tcg", "-machine", "none", "-nodefaults",
		"-display", "none", "-S", "-qmp", "unix:"+path+",server=on,wait=off")
	command.Stderr = os.Stderr
	ownChildren.Lock()
	defer ownChildren.Unlock()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ownChildren.pids[command.Process.Pid] = true
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return machine{"unix:" + path, command.Process.Pid, func(t testing.TB) {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}}
}

func open(t testing.TB, target string, options ...Option) *Client {
	t.Helper()
	c, err := Open(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func execute(t testing.TB, c *Client, command string) {
	t.Helper()
	if err := c.Execute(context.Background(), command, nil, nil); err != nil {
		t.Fatal(err)
	}
}

func status(t testing.TB, c *Client) string {
	t.Helper()
	var answer struct{ Status string }
	if err := c.Execute(context.Background(), "query-status", nil, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Status
}

// next is the next event of this name; others are passed over.
func next(t *testing.T, events <-chan Event, name string) Event {
	t.Helper()
	late := time.After(soon)
	var others []Event
	for {
		select {
		case event, ok := <-events:
			if !ok {
				t.Fatalf("the events ended before %s: %v", name, others)
			}
			if event.Event == name {
				return event
			}
			others = append(others, event)
		case <-late:
			t.Fatalf("no %s, but %v", name, others)
		}
	}
}

// ends reads events until there are no more.
func ends(t *testing.T, events <-chan Event) {
	t.Helper()
	late := time.After(soon)
	for {
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		case <-late:
			t.Fatal("the events do not end")
		}
	}
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var value map[string]any
	check(t, json.Unmarshal(text, &value))
	return value
}
