// Prints a machine's status, and then its events until it shuts down or the program is interrupted.
//
//	watch unix:/run/vm.qmp
//	watch qemu:///system#web-1
//	watch virsh:qemu:///system#web-1
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"libqmp/qmp"
)

func watch(ctx context.Context, target string) error {
	vm, err := qmp.New(target)
	if err != nil {
		return err
	}
	defer vm.Close()

	// Asked for before connecting, so that not even the first event is missed.
	events, err := vm.Events(ctx)
	if err != nil {
		return err
	}
	if err := vm.ConnectContext(ctx); err != nil {
		return err
	}
	var status struct{ Status string }
	if err := vm.Execute(ctx, "query-status", nil, &status); err != nil {
		return err
	}
	fmt.Println("status:", status.Status)

	for event := range events {
		fmt.Println(event.Event, event.Data)
		// Of a domain that is killed only libvirt tells.
		if event.Event == "SHUTDOWN" || event.Event == qmp.DomainStopped {
			break
		}
	}
	return nil
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: watch TARGET")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := watch(ctx, os.Args[1]); err != nil {
		log.Fatal("watch: ", err)
	}
}
