package qmp

// The table that every kind of target has to pass, unchanged.

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var kinds = []struct {
	name  string
	start func(testing.TB) machine
}{
	{"socket", qemu},
	{"libvirt", func(t testing.TB) machine { return libvirt(t).domain(t, "") }},
	{"virsh", func(t testing.TB) machine { return libvirt(t).domain(t, "virsh:") }},
}

var rows = []struct {
	name string
	run  func(*testing.T, machine)
}{
	{"a program of the usual shape", usualShape},
	{"ids come back byte for byte", idsComeBack},
	{"errors have class, text and reply", errorsAreTyped},
	{"arguments that are null are none", noArguments},
	{"large replies arrive whole", largeReplies},
	{"events come in order", eventsInOrder},
	{"one name of event", oneName},
	{"files go with their command", files},
	{"a cancelled context ends a command", cancelledContext},
	{"a deadline ends a command", deadline},
	{"many goroutines share a client", manyGoroutines},
	{"a waiting goroutine holds no thread", noThreads},
	{"streams outlive links", streamsOutliveLinks},
	{"closing ends what waits", closingEndsWaits},
	{"a machine that shuts down", shutsDown},
}

func TestTable(t *testing.T) {
	for _, kind := range kinds {
		kind := kind
		t.Run(kind.name, func(t *testing.T) {
			for _, row := range rows {
				row := row
				t.Run(row.name, func(t *testing.T) {
					t.Parallel()
					row.run(t, kind.start(t))
				})
			}
		})
	}
}

func usualShape(t *testing.T, vm machine) {
	client, err := New(vm.target)
	check(t, err)
	defer client.Close()
	var monitor Monitor = client
	if client.State() != StateNew || client.Target() != vm.target {
		t.Fatal(client.State(), client.Target())
	}
	ctx, cancel := context.WithCancel(context.Background())
	events, err := monitor.Events(ctx)
	check(t, err)
	check(t, monitor.Connect())
	if client.State() != StateConnected || !client.Supports("events") || client.Supports("nonsense") {
		t.Fatal("connected, but ", client.State())
	}
	if connected := next(t, events, Connected); connected.Timestamp.Seconds < 1_700_000_000 {
		t.Fatal(connected)
	}
	reply, err := monitor.Run([]byte(`{"execute": "query-status"}`))
	check(t, err)
	if answer, ok := decode(t, reply)["return"].(map[string]any); !ok || answer["running"] != false {
		t.Fatalf("%s", reply)
	}
	if err := monitor.Connect(); !errors.Is(err, CodeState) {
		t.Fatal(err)
	}
	cancel()
	ends(t, events)
	check(t, monitor.Disconnect())
	check(t, monitor.Disconnect())
	if _, err := monitor.Run([]byte(`{"execute": "query-status"}`)); !errors.Is(err, CodeDisconnected) {
		t.Fatal(err)
	}
	check(t, monitor.Connect())
	if got := status(t, client); got != "paused" && got != "prelaunch" {
		t.Fatal(got)
	}
}

func idsComeBack(t *testing.T, vm machine) {
	client := open(t, vm.target)
	for _, id := range []string{`7`, `"seven"`, `{"n":[1e400,-0.0]}`, `12345678901234567890123`} {
		reply, err := client.Run([]byte(`{"execute":"query-status","id":` + id + `}`))
		check(t, err)
		var envelope struct{ ID json.RawMessage }
		check(t, json.Unmarshal(reply, &envelope))
		if string(envelope.ID) != id {
			t.Fatalf("%s came back as %s", id, envelope.ID)
		}
	}
}

func errorsAreTyped(t *testing.T, vm machine) {
	client := open(t, vm.target)
	err := client.Execute(within(t, soon), "no-such-command", nil, nil)
	var failure *Error
	if !errors.As(err, &failure) || !errors.Is(err, CodeCommand) || errors.Is(err, CodeTimeout) {
		t.Fatalf("%#v", err)
	}
	if failure.Class != "CommandNotFound" || !strings.Contains(failure.Text, "no-such-command") ||
		failure.Delivery != DeliveryAnswered || failure.Target != vm.target || failure.Errno != 0 {
		t.Fatalf("%#v", failure)
	}
	if !strings.Contains(failure.Error(), vm.target) || decode(t, failure.Reply)["error"] == nil {
		t.Fatalf("%s %s", failure, failure.Reply)
	}
	for _, bad := range []string{``, `{`, `[]`, `{"run": 1}`, "{\"execute\":\"query-status\"}\x00", `{"execute":"\xff"}`} {
		_, err := client.Run([]byte(bad))
		if !errors.As(err, &failure) || failure.Code != CodeInvalidArgument || failure.Delivery != DeliveryNotSent {
			t.Fatalf("%q: %#v", bad, err)
		}
	}
	check(t, client.Execute(within(t, soon), "query-status", nil, nil))
}

func noArguments(t *testing.T, vm machine) {
	client := open(t, vm.target)
	empty := []any{nil, map[string]any(nil), (*struct{ ID int })(nil), json.RawMessage(nil), map[string]any{}}
	for _, none := range empty {
		if err := client.Execute(within(t, soon), "query-status", none, nil); err != nil {
			t.Errorf("%#v: %v", none, err)
		}
	}
}

func largeReplies(t *testing.T, vm machine) {
	client := open(t, vm.target)
	var schema []struct{ Name string }
	check(t, client.Execute(within(t, soon), "query-qmp-schema", nil, &schema))
	reply, err := client.Run([]byte(`{"execute":"query-qmp-schema"}`))
	check(t, err)
	if len(schema) < 500 || len(reply) < 1<<16 || !json.Valid(reply) {
		t.Fatal(len(schema), len(reply))
	}
}

func eventsInOrder(t *testing.T, vm machine) {
	client := open(t, vm.target)
	events, err := client.Events(within(t, soon))
	check(t, err)
	for round := 0; round < 10; round++ {
		execute(t, client, "cont")
		execute(t, client, "stop")
	}
	for round := 0; round < 10; round++ {
		for _, name := range []string{"RESUME", "STOP"} {
			select {
			case event := <-events:
				if event.Event != name || event.Timestamp.Seconds < 1_700_000_000 || event.Timestamp.Microseconds < 0 {
					t.Fatalf("%s: %v", name, event)
				}
			case <-time.After(soon):
				t.Fatal("no ", name)
			}
		}
	}
}

func oneName(t *testing.T, vm machine) {
	client := open(t, vm.target)
	stream, err := client.Stream("STOP")
	check(t, err)
	defer stream.Close()
	execute(t, client, "cont")
	execute(t, client, "stop")
	text, err := stream.NextRaw(within(t, soon))
	check(t, err)
	if decode(t, text)["event"] != "STOP" {
		t.Fatalf("%s", text)
	}
	if event, err := stream.Next(within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(event, err)
	}
}

func files(t *testing.T, vm machine) {
	client := open(t, vm.target)
	if !client.Supports("fds") {
		t.Fatal("this link passes no files")
	}
	reads, writes, err := os.Pipe()
	check(t, err)
	defer reads.Close()
	// The machine holds the other end: only then does reading it not end.
	check(t, client.Execute(within(t, soon), "getfd", map[string]string{"fdname": "pipe"}, nil, writes))
	check(t, writes.Close())
	check(t, reads.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	if _, err := reads.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the machine does not hold the pipe: ", err)
	}
	check(t, client.Execute(within(t, soon), "closefd", map[string]string{"fdname": "pipe"}, nil))
	check(t, reads.SetReadDeadline(time.Now().Add(soon)))
	if n, err := reads.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the machine has not let go of the pipe: ", err)
	}
	// A file that is closed is the caller's mistake, and found before anything is sent.
	_, err = client.RunContext(within(t, soon), []byte(`{"execute":"query-status"}`), writes)
	if !errors.Is(err, os.ErrClosed) || !errors.Is(err, CodeInvalidArgument) {
		t.Fatal(err)
	}
	_, err = client.RunContext(within(t, soon), []byte(`{"execute":"query-status"}`), nil)
	if errors.Is(err, os.ErrClosed) || !errors.Is(err, CodeInvalidArgument) || !strings.Contains(err.Error(), "nil") {
		t.Fatal(err)
	}
}

// frozen stops the machine's QEMU until the test lets it go on.
func frozen(t *testing.T, vm machine) (thaw func()) {
	t.Helper()
	check(t, syscall.Kill(vm.pid, syscall.SIGSTOP))
	var once sync.Once
	thaw = func() { once.Do(func() { _ = syscall.Kill(vm.pid, syscall.SIGCONT) }) }
	t.Cleanup(thaw)
	return thaw
}

func cancelledContext(t *testing.T, vm machine) {
	client := open(t, vm.target)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	var failure *Error
	if _, err := client.RunContext(ended, []byte(`{"execute":"query-status"}`)); !errors.Is(err, context.Canceled) ||
		!errors.As(err, &failure) || failure.Delivery != DeliveryNotSent {
		t.Fatalf("%#v", err)
	}
	thaw := frozen(t, vm)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	begin := time.Now()
	err := client.Execute(ctx, "query-status", nil, nil)
	if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, CodeCanceled) {
		t.Fatalf("%#v", err)
	}
	if !errors.As(err, &failure) || failure.Delivery != DeliveryUnknown || failure.Timeout() {
		t.Fatalf("%#v", failure)
	}
	if took := time.Since(begin); took < 200*time.Millisecond || took > soon/2 {
		t.Fatal(took)
	}
	thaw()
	status(t, client)
}

func deadline(t *testing.T, vm machine) {
	client := open(t, vm.target, WithTimeout(time.Hour))
	thaw := frozen(t, vm)
	begin := time.Now()
	err := client.Execute(within(t, 200*time.Millisecond), "query-status", nil, nil)
	var failure *Error
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || !errors.As(err, &failure) ||
		failure.Code != CodeTimeout || !failure.Timeout() || failure.Delivery != DeliveryUnknown {
		t.Fatalf("%#v", err)
	}
	if took := time.Since(begin); took < 200*time.Millisecond || took > soon/2 {
		t.Fatal(took)
	}
	// The option stands for contexts without a deadline.
	check(t, client.Set("timeout", "100"))
	if _, err := client.Run([]byte(`{"execute":"query-status"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	check(t, client.Set("timeout", "-1"))
	thaw()
	status(t, client)
}

func manyGoroutines(t *testing.T, vm machine) {
	client := open(t, vm.target)
	var group sync.WaitGroup
	for worker := 0; worker < 16; worker++ {
		worker := worker
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 10; round++ {
				id, _ := json.Marshal([]int{worker, round})
				reply, err := client.Run([]byte(`{"execute":"query-name","id":` + string(id) + `}`))
				if err != nil || !strings.Contains(strings.ReplaceAll(string(reply), " ", ""), `"id":`+string(id)) {
					t.Errorf("%s: %s %v", id, reply, err)
					return
				}
			}
		}()
	}
	group.Wait()
}

func noThreads(t *testing.T, vm machine) {
	client := open(t, vm.target)
	thaw := frozen(t, vm)
	const many = 100
	answers := make(chan error, many)
	before := threads(t)
	for n := 0; n < many; n++ {
		go func() {
			answers <- client.Execute(context.Background(), "query-name", nil, nil)
		}()
	}
	until(t, "all are waiting", func() bool {
		calls.mu.Lock()
		defer calls.mu.Unlock()
		waiting := 0
		for _, call := range calls.entries {
			if call.target == vm.target {
				waiting++
			}
		}
		return waiting == many
	})
	// Other tests run beside this one, and start programs.
	if now := threads(t); now > before+many/2 {
		t.Errorf("%d threads, and %d with %d goroutines waiting", before, now, many)
	}
	thaw()
	for n := 0; n < many; n++ {
		check(t, <-answers)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	check(t, err)
	return len(entries)
}

func streamsOutliveLinks(t *testing.T, vm machine) {
	client, err := New(vm.target)
	check(t, err)
	defer client.Close()
	stream, err := client.Stream("")
	check(t, err)
	defer stream.Close()
	for round := 0; round < 2; round++ {
		check(t, client.ConnectContext(within(t, soon)))
		events, err := client.Events(context.Background())
		check(t, err)
		check(t, client.Disconnect())
		next(t, events, Disconnected)
		ends(t, events)
		for _, name := range []string{Connected, Disconnected} {
			event, err := stream.Next(within(t, soon))
			for err == nil && event.Event == EventsLost {
				// A link through virsh says so where it cannot know.
				event, err = stream.Next(within(t, soon))
			}
			if err != nil || event.Event != name {
				t.Fatal(name, event, err)
			}
		}
	}
	check(t, stream.Close())
	check(t, stream.Close())
	if _, err := stream.Next(within(t, soon)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func closingEndsWaits(t *testing.T, vm machine) {
	client := open(t, vm.target)
	events, err := client.Events(context.Background())
	check(t, err)
	unread, err := client.Events(context.Background())
	check(t, err)
	stream, err := client.Stream("NEVER")
	check(t, err)
	defer stream.Close()
	execute(t, client, "cont")
	frozen(t, vm)
	errs := make(chan error)
	go func() {
		_, err := client.Run([]byte(`{"execute":"query-status"}`))
		errs <- err
	}()
	go func() {
		for {
			if _, err := stream.Next(context.Background()); err != nil {
				errs <- err
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	check(t, client.Close())
	check(t, client.Close())
	for n := 0; n < 2; n++ {
		select {
		case err := <-errs:
			if !errors.Is(err, ErrClosed) {
				t.Fatalf("%#v", err)
			}
		case <-time.After(soon):
			t.Fatal("somebody still waits")
		}
	}
	ends(t, events)
	ends(t, unread)
	if err := client.Connect(); !errors.Is(err, ErrClosed) || !errors.Is(err, CodeState) {
		t.Fatal(err)
	}
	if _, err := client.Events(context.Background()); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	check(t, client.Disconnect())
}

func shutsDown(t *testing.T, vm machine) {
	client := open(t, vm.target)
	events, err := client.Events(context.Background())
	check(t, err)
	vm.shutDown(t)
	if shutdown := next(t, events, "SHUTDOWN"); shutdown.Data["guest"] != false {
		t.Fatal(shutdown)
	}
	if strings.HasPrefix(vm.target, "unix:") {
		next(t, events, Disconnected)
		ends(t, events)
	}
}
