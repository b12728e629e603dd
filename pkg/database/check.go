package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// ErrUnsafe means that a database does not do what Collection promises: it loses updates, or lets two
// callers win where one may. It must not be used.
var ErrUnsafe = errors.New("database is not safe to use")

// The race of Check: enough writers and rounds that a database that reads, then writes, without a lock
// around both loses hundreds of updates.
const (
	checkWriters    = 8
	checkIncrements = 50
	checkCleanup    = 5 * time.Second
)

// checkSchema is the collection that Check leaves behind, empty.
var checkSchema = Schema{Name: "doctor_scratch", Fields: map[string]Type{"round": TypeInt}, Indexes: [][]string{{"round"}}}

// Check runs a race of concurrent writers on scratch documents of its own and returns nil where the
// database behaved: of concurrent inserts of one id one won, every save that was reported as done is
// there, and none was overwritten unseen. An ErrUnsafe says what happened instead; any other error means
// that the race could not be run. It takes seconds on a slow database and disturbs nothing but its own
// collection "doctor_scratch"; several may run at once.
func Check(ctx context.Context, db Database) (err error) {
	c, err := db.Open(ctx, checkSchema)
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	id := "check-" + rand.Text()
	defer func() {
		// Clean up also when ctx has ended: nobody else knows the id.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkCleanup)
		defer cancel()
		if cleanErr := c.Delete(ctx, id, 0); cleanErr != nil && err == nil {
			err = fmt.Errorf("clean up after the check of the database: %w", cleanErr)
		}
	}()
	if err := checkInserts(ctx, c, id); err != nil {
		return err
	}
	return checkSaves(ctx, c, id)
}

func checkInserts(ctx context.Context, c Collection, id string) error {
	won, err := contest(ctx, func(ctx context.Context) (int, error) {
		switch err := c.Insert(ctx, scratch(id, 0)); {
		case err == nil:
			return 1, nil
		case errors.Is(err, ErrExists):
			return 0, nil
		default:
			return 0, err
		}
	})
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	if won != 1 {
		return fmt.Errorf("%w: of %d concurrent inserts of one id %d were reported as done", ErrUnsafe, checkWriters, won)
	}
	return nil
}

func checkSaves(ctx context.Context, c Collection, id string) error {
	const want = checkWriters * checkIncrements
	won, err := contest(ctx, func(ctx context.Context) (int, error) { return increment(ctx, c, id) })
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	d, err := c.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	n, err := strconv.Atoi(string(d.Body))
	if err != nil {
		return fmt.Errorf("%w: a body came back as %.40q", ErrUnsafe, d.Body)
	}
	if n != want || d.Version != want+1 || d.Fields["round"] != Int(want) {
		return fmt.Errorf("%w: of %d increments that were reported as done it kept %d (version %d); "+
			"use MongoDB, or a server whose updates by {_id, version} are atomic", ErrUnsafe, won, n, d.Version)
	}
	return nil
}

// increment adds 1 to the document until it has won checkIncrements times.
func increment(ctx context.Context, c Collection, id string) (won int, err error) {
	for won < checkIncrements {
		d, err := c.Get(ctx, id)
		if err != nil {
			return won, err
		}
		n, err := strconv.Atoi(string(d.Body))
		if err != nil {
			return won, fmt.Errorf("%w: a body came back as %.40q", ErrUnsafe, d.Body)
		}
		// Let others read the same version, also where calls return without waiting for anything.
		runtime.Gosched()
		next := scratch(id, n+1)
		next.Version = d.Version
		switch err := c.Save(ctx, next); {
		case err == nil:
			won++
		case !errors.Is(err, ErrConflict):
			return won, err
		}
	}
	return won, nil
}

func scratch(id string, n int) Document {
	return Document{ID: id, Fields: map[string]Value{"round": Int(int64(n))}, Body: strconv.AppendInt(nil, int64(n), 10)}
}

// contest runs f in checkWriters goroutines at once and returns the sum of what they won. The first
// error ends the others.
func contest(ctx context.Context, f func(context.Context) (int, error)) (total int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	won := make([]int, checkWriters)
	start := make(chan struct{})
	for i := range checkWriters {
		wg.Go(func() {
			<-start
			n, err := f(ctx)
			if err != nil {
				cancel(err)
			}
			won[i] = n
		})
	}
	close(start)
	wg.Wait()
	for _, n := range won {
		total += n
	}
	return total, context.Cause(ctx)
}
