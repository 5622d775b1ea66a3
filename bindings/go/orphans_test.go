package qmp

// libvirt starts QEMU as nobody's child, and takes it for ended when it is gone from the process table. Where process
// 1 buries its children late or never, as in many containers, that takes seconds or fails: here the test buries them.

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Who is buried by those who started them.
var ownChildren = struct {
	sync.Mutex
	pids map[int]bool
}{pids: map[int]bool{}}

func adoptOrphans() {
	const setChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		panic("PR_SET_CHILD_SUBREAPER: " + errno.Error())
	}
	go func() {
		for {
			bury()
			time.Sleep(20 * time.Millisecond)
		}
	}()
}

// bury takes QEMUs among the dead children out of the process table, but for those that a test waits for.
func bury() {
	ownChildren.Lock()
	defer ownChildren.Unlock()
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil || ownChildren.pids[pid] {
				continue
			}
			stat, _ := os.ReadFile("/proc/" + word + "/stat")
			if at := strings.LastIndex(string(stat), ") Z"); at > 0 && strings.Contains(string(stat), "(qemu-system") {
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			}
		}
	}
}
