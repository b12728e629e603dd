package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
)

var listCases = []testCase{
	{"objects come in the order of their keys' bytes", testListOrder},
	{"pages join without gap or overlap", testListPages},
	{"a limit is between 0 and 1000", testListLimit},
	{"more than a thousand objects", testListThousands},
	{"a prefix without objects is empty", testListEmpty},
}

var deleteCases = []testCase{
	{"a deleted object is gone and its neighbours are not", testDelete},
	{"a deletion can be repeated", testDeleteMissing},
	{"deleting nothing is no error", testDeleteNothing},
	{"a prefix is deleted with all below", testDeletePrefix},
}

func keysOf(objects []blob.Object) []string {
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	return keys
}

// putAll stores small objects, some at a time.
func (r *rig) putAll(t *testing.T, keys []string) {
	t.Helper()
	const writers = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	var problems []error
	for w := range writers {
		wg.Go(func() {
			for i := w; i < len(keys); i += writers {
				_, err := r.Store.Put(r.ctx, keys[i], bytes.NewReader([]byte(keys[i])), blob.PutOptions{ContentType: "text/plain"})
				if err != nil {
					mu.Lock()
					problems = append(problems, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
}

// listAll lists page by page.
func listAll(ctx context.Context, s blob.Store, prefix string, limit int) (keys []string, pages int, err error) {
	full := limit
	if full == 0 {
		full = 1000
	}
	opts := blob.ListOptions{Prefix: prefix, Limit: limit}
	for {
		page, err := s.List(ctx, opts)
		if err != nil {
			return nil, pages, err
		}
		pages++
		keys = append(keys, keysOf(page)...)
		if len(page) > full {
			return nil, pages, fmt.Errorf("a page of %d, limit %d", len(page), full)
		}
		if len(page) < full {
			return keys, pages, nil
		}
		opts.After = keys[len(keys)-1]
	}
}

// treeKeys are keys whose order by folders differs from that by bytes, below a prefix.
func treeKeys(prefix string) []string {
	var keys []string
	for _, k := range []string{
		"a", "a!", "a-b", "a.b", "a0", "aa/x", "b/1", "b/10", "b/2", "b/20", "b-c/1", "b.c", "b0", "bb",
		"c/d/e/f", "c/d/e-f", "c/d-e/f", "c-d/e/f", "c/d.e", "Z", "z", "ä", "日",
	} {
		keys = append(keys, prefix+k)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func testListOrder(t *testing.T, r *rig) {
	keys := treeKeys(r.prefix)
	r.putAll(t, keys)
	r.putAll(t, []string{r.prefix[:len(r.prefix)-1] + "-neighbour"})
	for _, limit := range []int{0, 1, 2, 3, 7, len(keys) - 1, len(keys), len(keys) + 1, 1000} {
		got, _, err := listAll(r.ctx, r.Store, r.prefix, limit)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, keys) {
			t.Errorf("with pages of %d List = %q\nwant %q", limit, got, keys)
		}
	}
}

func testListPages(t *testing.T, r *rig) {
	keys := treeKeys(r.prefix)
	r.putAll(t, keys)
	after := append(slices.Clone(keys), r.prefix, r.prefix+"b", r.prefix+"b/", r.prefix+"b/15", r.prefix+"zz", r.prefix+"日本", "", "zzzz")
	prefixes := []string{r.prefix, r.prefix + "a", r.prefix + "b/", r.prefix + "b/1", r.prefix + "c/d", r.prefix + "日", r.prefix + "nothing"}
	for _, prefix := range prefixes {
		for _, a := range after {
			var want []string
			for _, k := range keys {
				if len(k) >= len(prefix) && k[:len(prefix)] == prefix && k > a {
					want = append(want, k)
				}
			}
			for _, limit := range []int{2, 1000} {
				page, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: prefix, After: a, Limit: limit})
				if err != nil {
					t.Fatal(err)
				}
				if got := keysOf(page); !slices.Equal(got, want[:min(limit, len(want))]) {
					t.Errorf("List(prefix %q, after %q, limit %d) = %q\nwant %q", prefix, a, limit, got, want)
				}
			}
		}
	}
}

func testListLimit(t *testing.T, r *rig) {
	for _, limit := range []int{-1, 1001} {
		if _, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: r.prefix, Limit: limit}); err == nil {
			t.Errorf("List with limit %d succeeded", limit)
		}
	}
}

func testListThousands(t *testing.T, r *rig) {
	var keys []string
	for i := range 1050 {
		keys = append(keys, fmt.Sprintf("%ss%d/seg-%05d.ts", r.prefix, i%3, i))
	}
	slices.Sort(keys)
	r.putAll(t, keys)
	for limit, wantPages := range map[int]int{0: 2, 150: 8, 999: 2} {
		got, pages, err := listAll(r.ctx, r.Store, r.prefix, limit)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, keys) || pages != wantPages {
			t.Errorf("with pages of %d: %d keys on %d pages, want %d on %d", limit, len(got), pages, len(keys), wantPages)
		}
	}
	deleted, err := blob.DeletePrefix(r.ctx, r.Store, r.prefix)
	if err != nil || !slices.Equal(deleted, keys) {
		t.Errorf("DeletePrefix = %d keys, %v, want %d", len(deleted), err, len(keys))
	}
}

func testListEmpty(t *testing.T, r *rig) {
	if got, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: r.prefix}); err != nil || len(got) != 0 {
		t.Errorf("List = %q, %v", keysOf(got), err)
	}
}

func testDelete(t *testing.T, r *rig) {
	keys := []string{r.prefix + "a", r.prefix + "b", r.prefix + "bb/c", r.prefix + "bb/d", r.prefix + "e"}
	r.putAll(t, keys)
	if err := r.Store.Delete(r.ctx, keys[1]); err != nil {
		t.Fatal(err)
	}
	if err := r.Store.Delete(r.ctx, keys[0], keys[2]); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys[:3] {
		r.wantAbsent(t, key)
	}
	if got, _, err := listAll(r.ctx, r.Store, r.prefix, 0); err != nil || !slices.Equal(got, keys[3:]) {
		t.Errorf("left are %q, %v, want %q", got, err, keys[3:])
	}
}

func testDeleteMissing(t *testing.T, r *rig) {
	keys := []string{r.prefix + "there", r.prefix + "never", r.prefix + "deep/er/never"}
	for range 2 {
		r.put(t, keys[0], nil, blob.PutOptions{})
		for range 2 {
			if err := r.Store.Delete(r.ctx, keys...); err != nil {
				t.Errorf("Delete = %v", err)
			}
			for _, key := range keys {
				if err := r.Store.Delete(r.ctx, key); err != nil {
					t.Errorf("Delete(%s) = %v", key, err)
				}
			}
		}
		r.wantAbsent(t, keys[0])
	}
}

func testDeleteNothing(t *testing.T, r *rig) {
	if err := r.Store.Delete(r.ctx); err != nil {
		t.Errorf("Delete() = %v", err)
	}
}

func testDeletePrefix(t *testing.T, r *rig) {
	keys := treeKeys(r.prefix)
	r.putAll(t, keys)
	var below, rest []string
	for _, k := range keys {
		if len(k) > len(r.prefix) && k[len(r.prefix)] == 'b' {
			below = append(below, k)
		} else {
			rest = append(rest, k)
		}
	}
	got, err := blob.DeletePrefix(r.ctx, r.Store, r.prefix+"b")
	if err != nil || !slices.Equal(got, below) {
		t.Errorf("DeletePrefix = %q, %v, want %q", got, err, below)
	}
	if got, _, err := listAll(r.ctx, r.Store, r.prefix, 0); err != nil || !slices.Equal(got, rest) {
		t.Errorf("left are %q, %v, want %q", got, err, rest)
	}
}
