package qmp

// A private libvirtd with real domains. All that it has lies in one temporary folder, below which it runs as nobody
// where the tests run as root. A keeper process ends the daemon and its QEMUs, and removes the folder, when the tests
// end or die.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

// Reads until the tests end. Then it kills what has the folder in its command line.
const keeper = `
read -r line
for round in $(seq 500); do
    found=
    for file in $(printf '%s/' "$FOLDER" | grep -lsaF -f - /proc/[0-9]*/cmdline); do
        process=${file%/cmdline}
        read -r name <"$process/comm" || continue
        case $name in
        libvirtd | virsh | qemu-*) kill -9 "${process#/proc/}" && found=yes ;;
        esac
    done 2>/dev/null
    [ -n "$found" ] || break
    sleep 0.02
done
rm -rf "$FOLDER"
`

type libvirtd struct {
	folder  string
	process *exec.Cmd
	keeper  *exec.Cmd
	// Ends the keeper.
	alive *os.File
}

var daemon struct {
	sync.Mutex
	running *libvirtd
	domains int
}

// libvirt is the daemon that all tests share.
func libvirt(t testing.TB) *libvirtd {
	t.Helper()
	daemon.Lock()
	defer daemon.Unlock()
	if daemon.running == nil {
		daemon.running = startDaemon(t)
	}
	return daemon.running
}

func endDaemon() {
	d := daemon.running
	if d == nil {
		return
	}
	d.alive.Close()
	_ = d.keeper.Wait()
	_ = d.process.Wait()
}

func startDaemon(t testing.TB) *libvirtd {
	t.Helper()
	path, err := os.MkdirTemp("/tmp", "libqmp-go-lv-")
	if err != nil {
		t.Fatal(err)
	}
	d := &libvirtd{folder: path}
	d.startKeeper(t)
	for _, name := range []string{"", "run", "config", "config/libvirt", "cache", "data", "home"} {
		_ = os.Mkdir(d.at(name), 0o755)
		_ = os.Chmod(d.at(name), 0o755)
		d.give(d.at(name))
	}
	d.write(t, "config/libvirt/qemu.conf", "stdio_handler = \"file\"\nsecurity_driver = \"none\"\nnamespaces = []\n")
	d.write(t, "libvirtd.conf", "log_outputs = \"3:stderr\"\nmin_workers = 20\nmax_workers = 20\n")
	words := []string{"libvirtd", "-f", d.at("libvirtd.conf")}
	if os.Geteuid() == 0 {
		// A daemon that runs as root is the machine's.
		user := strconv.Itoa(nobody)
		words = append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups"}, words...)
	}
	log, err := os.Create(d.at("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.process = exec.Command(words[0], words[1:]...)
	d.process.Env, d.process.Dir, d.process.Stdout, d.process.Stderr = d.environment(), path, log, log
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	// The first start looks at what QEMU can do, which takes seconds.
	end := time.Now().Add(2 * time.Minute)
	for {
		why, err := d.tryVirsh("version")
		if err == nil {
			return d
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(d.at("log"))
			t.Fatalf("libvirtd is not ready: %s\n%s", why, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (d *libvirtd) startKeeper(t testing.TB) {
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reads.Close()
	d.alive = writes
	d.keeper = exec.Command("sh", "-c", keeper)
	d.keeper.Stdin = reads
	d.keeper.Env = append(os.Environ(), "FOLDER="+d.folder)
	// It outlives a Ctrl-C that ends the tests.
	d.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.keeper.Start(); err != nil {
		t.Fatal(err)
	}
}

func (d *libvirtd) at(name string) string {
	return filepath.Join(d.folder, name)
}

func (d *libvirtd) give(path string) {
	if os.Geteuid() == 0 {
		_ = os.Chown(path, nobody, nobody)
	}
}

func (d *libvirtd) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(d.at(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	d.give(d.at(name))
}

// environment has nothing of the caller's but the way to the programs.
func (d *libvirtd) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + d.at("home"), "TMPDIR=" + d.at("home"),
		"XDG_RUNTIME_DIR=" + d.at("run"), "XDG_CONFIG_HOME=" + d.at("config"), "XDG_CACHE_HOME=" + d.at("cache"),
		"XDG_DATA_HOME=" + d.at("data")}
}

// uri is the hypervisor's.
func (d *libvirtd) uri() string {
	return "qemu+unix:///session?socket=" + d.at("run/libvirt/libvirt-sock")
}

func (d *libvirtd) tryVirsh(words ...string) (string, error) {
	command := exec.Command("timeout", append([]string{"120", "virsh", "-q", "-c", d.uri()}, words...)...)
	command.Env = d.environment()
	text, err := command.CombinedOutput()
	return string(text), err
}

func (d *libvirtd) virsh(t testing.TB, words ...string) string {
	t.Helper()
	text, err := d.tryVirsh(words...)
	if err != nil {
		t.Fatalf("virsh %v: %v\n%s", words, err, text)
	}
	return strings.TrimSpace(text)
}

// define makes a domain, shut off, that ends and is forgotten with the test. Gives its name.
func (d *libvirtd) define(t testing.TB) string {
	t.Helper()
	daemon.Lock()
	daemon.domains++
	name := fmt.Sprintf("vm-%d", daemon.domains)
	daemon.Unlock()
	d.write(t, name+".xml", `<domain type='qemu'><name>`+name+`</name><memory unit='MiB'>64</memory>
		<os><type arch='x86_64' machine='q35'>hvm</type></os>
		<devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>`)
	d.virsh(t, "define", d.at(name+".xml"))
	t.Cleanup(func() {
		_, _ = d.tryVirsh("destroy", name)
		_, _ = d.tryVirsh("undefine", name)
	})
	return name
}

// domain is a running one with its processors stopped, by this scheme: "" or "virsh:".
func (d *libvirtd) domain(t testing.TB, scheme string) machine {
	t.Helper()
	name := d.define(t)
	d.virsh(t, "start", "--paused", name)
	text, err := os.ReadFile(d.at("run/libvirt/qemu/run/" + name + ".pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return machine{scheme + d.uri() + "#" + name, pid, func(t testing.TB) { d.shutDown(t, name) }}
}

// shutDown makes a reset a shutdown, which a QEMU of libvirt's outlives for a moment. Of one that ends at once (quit, a
// signal) libvirtd 9.0 loses the event one time in twenty, and takes the domain for crashed.
func (d *libvirtd) shutDown(t testing.TB, name string) {
	t.Helper()
	client, err := Open(d.uri() + "#" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	action := map[string]string{"reboot": "shutdown"}
	if err := client.Execute(context.Background(), "set-action", action, nil); err != nil {
		t.Fatal(err)
	}
	execute(t, client, "system_reset")
}

// pid is the daemon's own: setpriv becomes it.
func (d *libvirtd) pid() int {
	return d.process.Process.Pid
}
