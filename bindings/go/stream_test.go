package qmp

// Events that nobody reads, and streams that several read.

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestLostEventsAreToldInTheirPlace(t *testing.T) {
	t.Parallel()
	client := open(t, qemu(t).target, WithEventQueue(3, 1<<20))
	stream, err := client.Stream("")
	check(t, err)
	defer stream.Close()
	for round := 0; round < 5; round++ {
		execute(t, client, "cont")
		execute(t, client, "stop")
	}
	for _, name := range []string{"RESUME", "STOP", "RESUME", EventsLost} {
		event, err := stream.Next(within(t, soon))
		if err != nil || event.Event != name {
			t.Fatal(name, event, err)
		}
		if count, lost := event.Lost(); lost != (name == EventsLost) || lost && count != 7 {
			t.Fatal(event)
		}
	}
	if count, lost := (Event{Event: EventsLost}).Lost(); count != -1 || !lost {
		t.Fatal(count, lost)
	}
}

func TestAnUnreadChannelHoldsUpNothing(t *testing.T) {
	t.Parallel()
	client := open(t, qemu(t).target)
	ctx, cancel := context.WithCancel(context.Background())
	events, err := client.Events(ctx)
	check(t, err)
	for round := 0; round < 100; round++ {
		execute(t, client, "cont")
		execute(t, client, "stop")
	}
	cancel()
	ends(t, events)
}

func TestEveryEventHasOneReader(t *testing.T) {
	t.Parallel()
	client := open(t, qemu(t).target)
	stream, err := client.Stream("STOP")
	check(t, err)
	const readers, each = 4, 25
	errs := make(chan error)
	for reader := 0; reader < readers; reader++ {
		go func() {
			var err error
			for n := 0; n < each && err == nil; n++ {
				_, err = stream.Next(context.Background())
			}
			errs <- err
		}()
	}
	for round := 0; round < readers*each; round++ {
		execute(t, client, "cont")
		execute(t, client, "stop")
	}
	for reader := 0; reader < readers; reader++ {
		select {
		case err := <-errs:
			check(t, err)
		case <-time.After(soon):
			t.Fatal("an event was not given to anybody")
		}
	}
	// Closing wakes all who wait, not just the first.
	for reader := 0; reader < readers; reader++ {
		go func() {
			_, err := stream.Next(context.Background())
			errs <- err
		}()
	}
	time.Sleep(20 * time.Millisecond)
	check(t, stream.Close())
	for reader := 0; reader < readers; reader++ {
		if err := <-errs; !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
}
