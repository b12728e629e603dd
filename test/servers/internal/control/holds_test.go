package control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
)

// holder asks for holds without a network, so that synctest sees who waits.
type holder struct {
	granted chan struct{}
	cancel  context.CancelFunc
	ended   chan struct{}
	answer  *grantRecorder
}

// grantRecorder tells when the answer begins.
type grantRecorder struct {
	*httptest.ResponseRecorder
	once    sync.Once
	granted chan struct{}
}

func (r *grantRecorder) Flush() { r.once.Do(func() { close(r.granted) }) }

func ask(h holds, server, mode string) *holder {
	ctx, cancel := context.WithCancel(context.Background())
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/hold/"+server+"/"+mode, nil)
	request.SetPathValue("server", server)
	request.SetPathValue("mode", mode)
	r := &grantRecorder{ResponseRecorder: httptest.NewRecorder(), granted: make(chan struct{})}
	a := &holder{granted: r.granted, cancel: cancel, ended: make(chan struct{}), answer: r}
	go func() {
		defer close(a.ended)
		h.serve(r, request)
	}()
	synctest.Wait()
	return a
}

func (a *holder) has() bool {
	select {
	case <-a.granted:
		return true
	default:
		return false
	}
}

func (a *holder) drop() {
	a.cancel()
	<-a.ended
	synctest.Wait()
}

func TestAnExclusiveHoldWaitsForTheOthersAndTheyForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolds([]string{"a", "b"})
		first, second := ask(h, "a", "shared"), ask(h, "a", "shared")
		breaker := ask(h, "a", "exclusive")
		late := ask(h, "a", "shared")
		elsewhere := ask(h, "b", "exclusive")
		if !first.has() || !second.has() || breaker.has() || late.has() || !elsewhere.has() {
			t.Fatalf("first %t, second %t, breaker %t, late %t, elsewhere %t", first.has(), second.has(), breaker.has(), late.has(), elsewhere.has())
		}
		first.drop()
		if breaker.has() {
			t.Error("the exclusive hold was granted beside a shared one")
		}
		second.drop()
		if !breaker.has() || late.has() {
			t.Errorf("breaker %t, late %t, want the exclusive hold alone", breaker.has(), late.has())
		}
		breaker.drop()
		if !late.has() {
			t.Error("the shared hold that came last was never granted")
		}
		late.drop()
		elsewhere.drop()
	})
}

func TestAHoldThatIsGivenUpWhileWaitingStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolds([]string{"a"})
		user, breaker := ask(h, "a", "shared"), ask(h, "a", "exclusive")
		next := ask(h, "a", "shared")
		breaker.drop()
		if !next.has() {
			t.Error("the shared hold waits for an exclusive one that was given up")
		}
		user.drop()
		next.drop()
	})
}

func TestUnknownHoldsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolds([]string{"a"})
		for _, path := range [][2]string{{"nobody", "shared"}, {"a", "sideways"}} {
			a := ask(h, path[0], path[1])
			<-a.ended
			if a.answer.Code != http.StatusNotFound {
				t.Errorf("%v: status %d, want 404", path, a.answer.Code)
			}
			a.cancel()
		}
	})
}
