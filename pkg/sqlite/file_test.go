package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/sqlite"
)

var notes = database.Schema{
	Name: "notes", Fields: map[string]database.Type{"n": database.TypeInt}, Indexes: [][]string{{"n"}},
}

func note(id string) database.Document {
	return database.Document{ID: id, Fields: map[string]database.Value{"n": database.Int(1)}, Body: []byte("{}")}
}

func collection(t testing.TB, db database.Database) database.Collection {
	t.Helper()
	c, err := db.Open(t.Context(), notes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPathsMayContainAnything(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "a?mode=memory&b=c", "100%25.db", "#1.db", "ž;'\".db"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := collection(t, open(t, filepath.Join(dir, name)))
			if err := c.Insert(t.Context(), note("a")); err != nil {
				t.Fatal(err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				info, err := e.Info()
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(e.Name(), name) {
					t.Errorf("there is a file %q", e.Name())
				}
				if info.Mode().Perm() != 0o600 {
					t.Errorf("mode of %q = %v, want readable by its owner only", e.Name(), info.Mode())
				}
			}
		})
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	content := strings.Repeat("this is no database. ", 100)
	if err := os.WriteFile(text, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a text": text, "a folder": dir, "a missing folder": filepath.Join(dir, "x", "y.db"), "no path": "",
	} {
		if db, err := sqlite.Open(t.Context(), path); err == nil {
			t.Errorf("Open of %s = nil", name)
			_ = db.Close()
		}
	}
	if got, err := os.ReadFile(text); err != nil || string(got) != content {
		t.Errorf("the text was changed: %v", err)
	}
}

func TestSeveralHandlesOnOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	var wg sync.WaitGroup
	start := make(chan struct{})
	won := make([]int, 3)
	for i := range won {
		wg.Go(func() {
			<-start
			db, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer db.Close()
			c, err := db.Open(t.Context(), notes)
			if err != nil {
				t.Errorf("open notes: %v", err)
				return
			}
			if err := c.Insert(t.Context(), note("shared")); err != nil && !errors.Is(err, database.ErrExists) {
				t.Errorf("insert: %v", err)
				return
			}
			for won[i] < 40 {
				d, err := c.Get(t.Context(), "shared")
				if err != nil {
					t.Errorf("get: %v", err)
					return
				}
				switch err := c.Save(t.Context(), d); {
				case err == nil:
					won[i]++
				case !errors.Is(err, database.ErrConflict):
					t.Errorf("save: %v", err)
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	d, err := collection(t, open(t, path)).Get(t.Context(), "shared")
	if err != nil || d.Version != 121 {
		t.Errorf("version = %d, %v, want 121 after 120 saves", d.Version, err)
	}
}

func TestAFieldKeepsItsType(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "test.db"))
	collection(t, db)
	other := database.Schema{Name: "notes", Fields: map[string]database.Type{"n": database.TypeString}}
	if _, err := db.Open(t.Context(), other); !errors.Is(err, database.ErrInvalid) {
		t.Errorf("Open with another type = %v, want ErrInvalid", err)
	}
	collection(t, db)
}

func TestClosed(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	c := collection(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Insert(t.Context(), note("a")); fault.CodeOf(err) != fault.CodeStoreUnavailable {
		t.Errorf("Insert after Close = %v, want %s", err, fault.CodeStoreUnavailable)
	}
	if err := db.Ping(t.Context()); fault.CodeOf(err) != fault.CodeStoreUnavailable {
		t.Errorf("Ping after Close = %v, want %s", err, fault.CodeStoreUnavailable)
	}
}

// envChild makes this test program write to the database in the file that it names, until it is killed.
const envChild = "SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(envChild); path != "" {
		fmt.Println(writeUntilKilled(context.Background(), path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func writeUntilKilled(ctx context.Context, path string) error {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	c, err := db.Open(ctx, notes)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		d := note(fmt.Sprint("note-", i))
		if err := c.Insert(ctx, d); err != nil {
			return err
		}
		d.Version = 1
		if err := c.Save(ctx, d); err != nil {
			return err
		}
		fmt.Println("stored", d.ID)
	}
}

func TestWhatWasWrittenSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), envChild+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var stored []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "stored "); ok {
			stored = append(stored, id)
		}
		if len(stored) == 100 {
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := child.Wait(); err == nil || len(stored) < 100 {
		t.Fatalf("the child ended by itself (%v) after %d documents", err, len(stored))
	}
	c := collection(t, open(t, path))
	for _, id := range stored {
		if d, err := c.Get(t.Context(), id); err != nil || d.Version != 2 {
			t.Errorf("Get(%s) = version %d, %v", id, d.Version, err)
		}
	}
}
