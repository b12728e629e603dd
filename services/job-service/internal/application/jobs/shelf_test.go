package jobs

import (
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

func TestTheShelfKeepsWhatWasUsedLast(t *testing.T) {
	of := func(n int) contract.Manifest { return contract.Manifest{Outputs: make([]contract.Output, n)} }
	s := newShelf(10)
	s.put("a", of(4))
	s.put("b", of(4))
	s.get("a")
	s.put("c", of(4)) // b goes
	s.put("huge", of(10))
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "huge": false} {
		if _, ok := s.get(key); ok != want {
			t.Errorf("%s is kept: %t, want %t", key, ok, want)
		}
	}
	s.put("a", of(4))
	if s.size != 10 || s.order.Len() != 2 || len(s.byKey) != 2 {
		t.Errorf("the shelf counts %d in %d and %d", s.size, s.order.Len(), len(s.byKey))
	}
}
