package jobs

import (
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

func TestTheShelfKeepsWhatWasUsedLast(t *testing.T) {
	named := func(name string) shelfKey { return shelfKey{key: name} }
	s := newShelf(10)
	put := func(name string, outputs int) {
		s.put(named(name), contract.Manifest{Outputs: make([]contract.Output, outputs)})
	}
	put("a", 4)
	put("b", 4)
	s.get(named("a"))
	put("c", 4) // b goes
	put("huge", 10)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "huge": false} {
		if _, ok := s.get(named(key)); ok != want {
			t.Errorf("%s is kept: %t, want %t", key, ok, want)
		}
	}
	put("a", 4)
	if s.size != 10 || s.order.Len() != 2 || len(s.byKey) != 2 {
		t.Errorf("the shelf counts %d in %d and %d", s.size, s.order.Len(), len(s.byKey))
	}
}
