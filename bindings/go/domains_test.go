package qmp

// What only libvirt has: a list of domains, and domains that are shut off.

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestDomainsAreListed(t *testing.T) {
	t.Parallel()
	d := libvirt(t)
	name := d.define(t)
	uuid := d.virsh(t, "domuuid", name)
	for _, target := range []string{d.uri(), "virsh:" + d.uri()} {
		domains, err := ListDomains(within(t, soon), target)
		check(t, err)
		found := false
		for _, domain := range domains {
			found = found || domain == Domain{Name: name, UUID: uuid, ID: -1, State: "shutoff"}
		}
		if !found {
			t.Errorf("%s: no %s in %v", target, name, domains)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := ListDomains(ctx, target); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := ListDomains(within(t, soon), qemu(t).target); !errors.Is(err, CodeUnsupported) {
		t.Error(err)
	}
}

func TestDomainsThatAreNotRunningOrNotThere(t *testing.T) {
	t.Parallel()
	d := libvirt(t)
	name := d.define(t)
	for _, scheme := range []string{"", "virsh:"} {
		if _, err := Open(scheme + d.uri() + "#nobody"); !errors.Is(err, CodeNotFound) {
			t.Errorf("%s %v", scheme, err)
		}
		client := open(t, scheme+d.uri()+"#"+name)
		err := client.Execute(within(t, soon), "query-status", nil, nil)
		var failure *Error
		if !errors.As(err, &failure) || failure.Code != CodeNotRunning {
			t.Errorf("%s %#v", scheme, err)
		}
	}
	client := open(t, d.uri()+"#"+name)
	// virsh prints no numbers.
	var failure *Error
	if _, err := client.Run([]byte(`{"execute":"query-status"}`)); !errors.As(err, &failure) || failure.Libvirt == 0 {
		t.Errorf("%#v", err)
	}
	events, err := client.Events(within(t, soon))
	check(t, err)
	d.virsh(t, "start", name)
	next(t, events, DomainStarted)
	if got := status(t, client); got != "running" {
		t.Error(got)
	}
	d.virsh(t, "destroy", name)
	next(t, events, DomainStopped)
}

// A daemon that is stopped in its tracks.
func TestListingEndsWithItsContext(t *testing.T) {
	d := libvirt(t)
	open(t, d.uri())
	frozen(t, machine{pid: d.pid()})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	begin := time.Now()
	if _, err := ListDomains(ctx, d.uri()); !errors.Is(err, context.Canceled) {
		t.Fatalf("%#v", err)
	}
	if _, err := ListDomains(within(t, 200*time.Millisecond), d.uri()); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%#v", err)
	}
	if took := time.Since(begin); took < 400*time.Millisecond || took > soon/2 {
		t.Fatal(took)
	}
}
