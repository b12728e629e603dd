package databasetest

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/reelmill/reelmill/pkg/database"
)

// Bench measures insert, get, find and save on documents of 2 KB, about what a task has, by one caller,
// and saves by eight callers on documents of their own.
func Bench(b *testing.B, open func(b *testing.B) database.Database) {
	db := open(b)
	body := bytes.Repeat([]byte("x"), 2048)
	sized := func(id string, i int) database.Document {
		d := doc(id, "new", int64(i))
		d.Body = body
		return d
	}
	// fill returns a collection of 1000 documents.
	fill := func(b *testing.B) database.Collection {
		c := collection(b, db, jobs())
		together(8, func(w int) {
			for i := w; i < 1000; i += 8 {
				if err := c.Insert(b.Context(), sized(fmt.Sprint(i), i)); err != nil {
					b.Error(err)
				}
			}
		})
		return c
	}
	b.Run("insert", func(b *testing.B) {
		c := collection(b, db, jobs())
		for i := 0; b.Loop(); i++ {
			must(b, c.Insert(b.Context(), sized(fmt.Sprint(i), i)))
		}
	})
	b.Run("get", func(b *testing.B) {
		c := fill(b)
		for i := 0; b.Loop(); i++ {
			_, err := c.Get(b.Context(), fmt.Sprint(i%1000))
			must(b, err)
		}
	})
	b.Run("find10", func(b *testing.B) {
		c := fill(b)
		q := database.Query{
			Filters: []database.Filter{equal("state", "new"), {Field: "due", Op: database.GreaterOrEqual, Value: database.Int(500)}},
			OrderBy: "due", Limit: 10,
		}
		for b.Loop() {
			got, err := c.Find(b.Context(), q)
			must(b, err)
			if len(got) != 10 {
				b.Fatalf("Find = %d documents, want 10", len(got))
			}
		}
	})
	b.Run("save", func(b *testing.B) {
		c := fill(b)
		versions := map[string]int64{}
		for i := 0; b.Loop(); i++ {
			id := fmt.Sprint(i % 1000)
			versions[id]++
			must(b, c.Save(b.Context(), with(sized(id, i), versions[id])))
		}
	})
	b.Run("save8", func(b *testing.B) {
		c := fill(b)
		var callers atomic.Int64
		b.SetParallelism((8 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			id := fmt.Sprint("own-", callers.Add(1))
			if err := c.Insert(b.Context(), sized(id, 0)); err != nil {
				b.Error(err)
			}
			for v := int64(1); pb.Next(); v++ {
				if err := c.Save(b.Context(), with(sized(id, 0), v)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
