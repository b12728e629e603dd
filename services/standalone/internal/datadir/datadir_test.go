package datadir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/services/standalone/internal/datadir"
)

func open(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestAFolderHasOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d := open(t, path)
	_, err := datadir.Open(path)
	if !errors.Is(err, datadir.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second Open = %v, want ErrInUse with the folder and the process", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestOpenEmptiesTheScratchFolderAlone(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	for _, dir := range []string{d.Scratch(), d.Objects()} {
		if err := os.MkdirAll(filepath.Join(dir, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	if _, err := os.Stat(d.Scratch()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("scratch folder: %v, want it gone", err)
	}
	if _, err := os.Stat(filepath.Join(d.Objects(), "x")); err != nil {
		t.Errorf("objects: %v, want them kept", err)
	}
}

func TestATemporaryFolderIsDeletedUnlessKept(t *testing.T) {
	for _, keep := range []bool{false, true} {
		d, err := datadir.Temp(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(d.Database(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if keep {
			d.Keep()
		}
		if d.Temporary() == keep {
			t.Errorf("kept %v: Temporary = %v", keep, d.Temporary())
		}
		for range 2 { // closing again is no error
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(d.Path()); (err == nil) != keep {
			t.Errorf("kept %v: Stat = %v", keep, err)
		}
	}
}

func TestCredentialsStayTheSame(t *testing.T) {
	path := t.TempDir()
	made := 0
	next := func() (string, string) { made++; return fmt.Sprint("key", made), fmt.Sprint("secret", made) }
	d := open(t, path)
	first, err := d.Credentials(next)
	if err != nil || first != (datadir.Credentials{AccessKey: "key1", SecretKey: "secret1"}) {
		t.Fatalf("Credentials = %v, %v", first, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	again, err := d.Credentials(next)
	if err != nil || again != first {
		t.Errorf("after another start Credentials = %v, %v, want %v", again, err, first)
	}
	files, err := filepath.Glob(filepath.Join(path, "*credentials*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of credentials: %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file may be read by others: %v, %v", info, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := d.Credentials(next); err != nil || c.AccessKey != "key2" {
		t.Errorf("in place of a broken file Credentials = %v, %v", c, err)
	}
}

func TestErrorsNameTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(filepath.Join(file, "below")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open below a file = %v", err)
	}
	if _, err := datadir.Temp(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Temp below a file = %v", err)
	}
	if _, err := datadir.FreeBytes(filepath.Join(file, "below")); err == nil {
		t.Error("FreeBytes below a file succeeded")
	}
	if n, err := datadir.FreeBytes(filepath.Dir(file)); err != nil || n <= 0 {
		t.Errorf("FreeBytes = %d, %v", n, err)
	}
}
