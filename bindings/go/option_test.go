package qmp

// How a duration becomes the library's: int32 milliseconds, -1 for no limit.

import (
	"context"
	"math"
	"testing"
	"time"
)

func TestDurationsAreRoundedUpAndNeverWrap(t *testing.T) {
	t.Parallel()
	longest := math.MaxInt32 * time.Millisecond
	for _, row := range []struct {
		limit time.Duration
		want  int32
	}{
		{math.MinInt64, -1},
		{-1, -1},
		{0, 0},
		{1, 1},
		{time.Millisecond, 1},
		{time.Millisecond + 1, 2},
		{longest, math.MaxInt32},
		{longest + 1, -1},
		{math.MaxInt64 - time.Millisecond, -1},
		{math.MaxInt64, -1},
	} {
		if got := milliseconds(row.limit); got != row.want {
			t.Errorf("%d ns are %d ms, not %d", row.limit, got, row.want)
		}
	}
}

func TestDeadlinesFarAwayAreNone(t *testing.T) {
	t.Parallel()
	client := open(t, qemu(t).target, WithTimeout(math.MaxInt64))
	status(t, client)
	for _, at := range []time.Time{time.Now().Add(math.MaxInt64), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		ctx, cancel := context.WithDeadline(context.Background(), at)
		if limit := timeout(ctx); limit != -1 {
			t.Errorf("%v: a limit of %d ms", at, limit)
		}
		check(t, client.Execute(ctx, "query-status", nil, nil))
		cancel()
	}
	if limit := timeout(within(t, -time.Second)); limit != 0 {
		t.Errorf("what is over has %d ms left", limit)
	}
}
