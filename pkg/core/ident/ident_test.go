package ident_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/ident"
)

func TestNewAscendsAndNeverRepeats(t *testing.T) {
	const n, workers = 2000, 4
	all := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range n {
				all[w] = append(all[w], ident.New())
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, ids := range all {
		if !slices.IsSorted(ids) {
			t.Error("identifiers of one goroutine do not ascend")
		}
		for _, id := range ids {
			if seen[id] || !ident.Valid(id) || id[14] != '7' {
				t.Fatalf("identifier %q repeats or is malformed", id)
			}
			seen[id] = true
		}
	}
}

func TestDeriveIsStableAndKeepsPartsApart(t *testing.T) {
	if got, want := ident.Derive("a", "bc"), ident.Derive("a", "bc"); got != want || !ident.Valid(got) {
		t.Errorf("Derive = %q then %q", got, want)
	}
	if ident.Derive("a", "bc") == ident.Derive("ab", "c") {
		t.Error("the border between parts does not count")
	}
	// Released identifiers must not move: stored jobs are found again by them.
	if got, want := ident.Derive("tenant", "key"), "d89b245e-4687-80a3-9b13-81fef10bd990"; got != want {
		t.Errorf("Derive(tenant, key) = %q, want %q", got, want)
	}
}

func TestValid(t *testing.T) {
	for _, bad := range []string{"", "x", "00000000-0000-7000-8000-00000000000", "00000000-0000-7000-8000-00000000000G", "00000000_0000-7000-8000-000000000000", "00000000-0000-4000-8000-000000000000"} {
		if ident.Valid(bad) {
			t.Errorf("Valid(%q) = true", bad)
		}
	}
}
