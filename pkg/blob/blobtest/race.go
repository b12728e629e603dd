package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
)

var raceCases = []testCase{
	{"readers see the old or the new object, never a mixture", testReplaceIsAtomic},
	{"of writers that must not replace one wins", testIfAbsentRace},
}

func testReplaceIsAtomic(t *testing.T, r *rig) {
	key := r.prefix + "k"
	contents := [2][]byte{bytes.Repeat([]byte("a"), 200_000), bytes.Repeat([]byte("b"), 300_000)}
	r.put(t, key, contents[0], blob.PutOptions{SHA256: digest(contents[0])})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for reads := 0; ; reads++ {
				select {
				case <-done:
					if reads == 0 {
						t.Error("a reader never came to read")
					}
					return
				default:
				}
				if err := readWhole(r, key, contents); err != nil {
					t.Errorf("read %d: %v", reads, err)
					return
				}
			}
		})
	}
	for i := range 30 {
		content := contents[(i+1)%2]
		if _, err := r.Store.Put(r.ctx, key, bytes.NewReader(content), blob.PutOptions{ContentType: "a/b", SHA256: digest(content)}); err != nil {
			t.Errorf("Put = %v", err)
		}
	}
	close(done)
	wg.Wait()
}

// readWhole returns an error unless what is read is one of the contents.
func readWhole(r *rig, key string, contents [2][]byte) error {
	body, o, err := r.Store.Get(r.ctx, key, blob.GetOptions{})
	if err != nil {
		return err
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	if o.SizeBytes != int64(len(got)) {
		return fmt.Errorf("got %d bytes of an object of %d", len(got), o.SizeBytes)
	}
	if !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
		return fmt.Errorf("a mixture of %d bytes", len(got))
	}
	return nil
}

func testIfAbsentRace(t *testing.T, r *rig) {
	const writers = 8
	for round := range 10 {
		key := fmt.Sprintf("%sround-%d", r.prefix, round)
		start := make(chan struct{})
		results := make([]error, writers)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				<-start
				_, results[w] = r.Store.Put(r.ctx, key, bytes.NewReader(noise(int64(1000+w))), blob.PutOptions{ContentType: "a/b", IfAbsent: true})
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for w, err := range results {
			switch {
			case err == nil && winner >= 0:
				t.Errorf("round %d: writers %d and %d both won", round, winner, w)
			case err == nil:
				winner = w
			case !errors.Is(err, blob.ErrPrecondition):
				t.Errorf("round %d: writer %d = %v, want ErrPrecondition", round, w, err)
			}
		}
		if winner < 0 {
			t.Errorf("round %d: nobody won: %v", round, results)
			continue
		}
		got, _ := r.read(t, key, blob.GetOptions{})
		wantContent(t, got, noise(int64(1000+winner)))
	}
}
