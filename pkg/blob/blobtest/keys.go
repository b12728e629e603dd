package blobtest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
)

var keyCases = []testCase{
	{"keys may be odd", testOddKeys},
	{"keys that not every store can hold are refused", testBadKeys},
}

// oddKeys are valid keys that URLs, XML, shells and file systems might mangle.
var oddKeys = []string{
	"with space", "two  spaces", "plus+sign", "percent%20", "percent%2Fslash", "question?mark=1&b=2", "hash#tag", "amp&lt;<>\"'",
	"semi;colon,comma", "equals=", "at@colon:", "brackets[0]{1}(2)", "back\\slash", "tilde~caret^pipe|`$!*", "ümlaut-é-ß",
	"日本語/ファイル.mp4", "emoji-🎬", "composed-\u00e9", "decomposed-e\u0301", "dots...", ".hidden", "a..b", "-dash", "UPPER", "upper-not",
	" leading-and-trailing ", "\u202eright-to-left", "zero\u200bwidth", strings.Repeat("x", 255),
}

func testOddKeys(t *testing.T, r *rig) {
	var keys []string
	for _, odd := range oddKeys {
		key := r.prefix + odd
		keys = append(keys, key)
		put := r.put(t, key, []byte(odd), blob.PutOptions{SHA256: digest([]byte(odd))})
		got, o := r.read(t, key, blob.GetOptions{IfMatch: put.ETag})
		if string(got) != odd || o.Key != key || put.Key != key {
			t.Errorf("under %q there is %q (%q)", key, got, o.Key)
		}
	}
	slices.Sort(keys)
	listed, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: r.prefix})
	if err != nil {
		t.Fatal(err)
	}
	if got := keysOf(listed); !slices.Equal(got, keys) {
		t.Errorf("List = %q\nwant %q", got, keys)
	}
	for _, key := range keys {
		page, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: key, Limit: 1})
		if err != nil || len(page) != 1 || page[0].Key != key {
			t.Errorf("List of prefix %q = %+v, %v", key, page, err)
		}
	}
	if err := r.Store.Delete(r.ctx, keys...); err != nil {
		t.Fatal(err)
	}
	if left, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: r.prefix}); err != nil || len(left) != 0 {
		t.Errorf("after Delete List = %q, %v", keysOf(left), err)
	}
}

func testBadKeys(t *testing.T, r *rig) {
	for _, key := range []string{"", "/x", "x/", r.prefix + "a//b", r.prefix + "../up", r.prefix + "nul\x00", r.prefix + "\xff", strings.Repeat("x", 256)} {
		_, err := r.Store.Put(r.ctx, key, bytes.NewReader(nil), blob.PutOptions{ContentType: "a/b"})
		wantErr(t, "Put", err, blob.ErrKey)
		_, _, err = r.Store.Get(r.ctx, key, blob.GetOptions{})
		wantErr(t, "Get", err, blob.ErrKey)
		_, err = r.Store.Head(r.ctx, key)
		wantErr(t, "Head", err, blob.ErrKey)
		wantErr(t, "Delete", r.Store.Delete(r.ctx, r.prefix+"fine", key), blob.ErrKey)
		if p, ok := r.Store.(blob.Presigner); ok {
			_, err = p.PresignPut(r.ctx, blob.Upload{Key: key}, time.Minute)
			wantErr(t, "PresignPut", err, blob.ErrKey)
			_, err = p.PresignGet(r.ctx, blob.Download{Key: key}, time.Minute)
			wantErr(t, "PresignGet", err, blob.ErrKey)
		}
	}
}
