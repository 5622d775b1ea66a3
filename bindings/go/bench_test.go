package qmp

// What a command costs. The times are QEMU's too: "switches" is how often this process was put to sleep for a command.

import (
	"syscall"
	"testing"
)

func BenchmarkRun(b *testing.B) {
	client := open(b, qemu(b).target)
	command := []byte(`{"execute":"query-name"}`)
	b.ReportAllocs()
	b.ResetTimer()
	before := switches(b)
	for n := 0; n < b.N; n++ {
		if _, err := client.Run(command); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(switches(b)-before)/float64(b.N), "switches/op")
}

func BenchmarkRunFromManyGoroutines(b *testing.B) {
	client := open(b, qemu(b).target)
	command := []byte(`{"execute":"query-name"}`)
	b.SetParallelism(32)
	b.ResetTimer()
	before := switches(b)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := client.Run(command); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(switches(b)-before)/float64(b.N), "switches/op")
}

func switches(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Nvcsw
}
