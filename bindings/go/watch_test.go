package qmp

// The example, which is also the guide's first program, on every kind of target.

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheExampleWatchesEveryKind(t *testing.T) {
	program := filepath.Join(folder(t), "watch")
	if text, err := exec.Command("go", "build", "-o", program, "./examples/watch").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, kind := range kinds {
		kind := kind
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			vm := kind.start(t)
			watch := startWatch(t, program, vm.target)
			watch.expect(t, "status: ")
			vm.shutDown(t)
			watch.expect(t, "SHUTDOWN map[guest:false")
			check(t, watch.command.Wait())
		})
		t.Run(kind.name+" and is interrupted", func(t *testing.T) {
			t.Parallel()
			watch := startWatch(t, program, kind.start(t).target)
			watch.expect(t, "status: ")
			watch.expect(t, Connected)
			check(t, watch.command.Process.Signal(os.Interrupt))
			check(t, watch.command.Wait())
		})
	}
}

type watching struct {
	command *exec.Cmd
	lines   *bufio.Scanner
}

func startWatch(t *testing.T, program, target string) watching {
	t.Helper()
	command := exec.Command(program, target)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	check(t, err)
	check(t, command.Start())
	// One that does not end by itself is ended, and the test sees that it did not end well.
	late := time.AfterFunc(2*soon, func() { _ = command.Process.Kill() })
	t.Cleanup(func() { late.Stop() })
	return watching{command, bufio.NewScanner(output)}
}

// expect reads until a line that begins so.
func (w watching) expect(t *testing.T, begin string) {
	t.Helper()
	for w.lines.Scan() {
		if strings.HasPrefix(w.lines.Text(), begin) {
			return
		}
	}
	_ = w.command.Wait()
	t.Fatal("the example did not print ", begin)
}
