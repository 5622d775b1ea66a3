package qmp

import "sync"

// table is where callbacks find what they belong to: C is given numbers, because it may not keep Go's pointers.
// Whatever stands here is not garbage: nothing that stands here leads to a Client, or an abandoned one would never be
// closed.
type table[T any] struct {
	mu      sync.Mutex
	last    uintptr
	entries map[uintptr]T
}

// put gives a number, never used before.
func (t *table[T]) put(entry T) uintptr {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries = make(map[uintptr]T)
	}
	t.last++
	t.entries[t.last] = entry
	return t.last
}

// get finds what was put, if it was not taken.
func (t *table[T]) get(token uintptr) (entry T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry, ok = t.entries[token]
	return entry, ok
}

// take finds what was put, and takes it out.
func (t *table[T]) take(token uintptr) (entry T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry, ok = t.entries[token]
	delete(t.entries, token)
	return entry, ok
}
