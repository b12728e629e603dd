package s3server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/services/standalone/internal/s3server"
)

// storerEnv makes TestMain's program one that stores a large object, "ENDPOINT ACCESS SECRET", and dies in the middle.
const storerEnv = "REELMILL_TEST_STORER"

// halting is a body that never comes to its end.
type halting struct{ *bytes.Reader }

func (h halting) Read(p []byte) (int, error) {
	if h.Len() <= 16<<20 {
		fmt.Println("halfway")
		select {} // until the process is killed
	}
	return h.Reader.Read(p)
}

// TestStorer is the process that the test below kills.
func TestStorer(t *testing.T) {
	var endpoint, access, secret string
	if _, err := fmt.Sscan(os.Getenv(storerEnv), &endpoint, &access, &secret); err != nil {
		t.Skip("part of TestPartsOfAProcessThatWasKilledCanBeEnded")
	}
	_, err := store(t, endpoint, access, secret).Put(t.Context(), "t/default/j/job/a/1-1/video/0/film.mp4",
		halting{bytes.NewReader(make([]byte, 64<<20))}, blob.PutOptions{ContentType: "video/mp4"})
	t.Errorf("Put = %v, want it never to return", err)
}

// bytesBelow returns how much the files of a folder hold.
func bytesBelow(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what goes away while it is looked at holds nothing
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestPartsOfAProcessThatWasKilledCanBeEnded(t *testing.T) {
	dir := t.TempDir()
	s := start(t, s3server.Config{Dir: dir})
	access, secret := s.Credentials()
	b := store(t, s.Endpoint(), access, secret)
	if err := b.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := bytesBelow(t, dir)

	storer := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStorer$")
	storer.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", storerEnv, s.Endpoint(), access, secret))
	out, err := storer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := storer.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "halfway\n" {
		t.Fatalf("the storer says %q, %v", line, err)
	}
	// Every part of 8 MiB that was read whole is stored, so none is under way when the process dies: while one is, the
	// server cannot end the upload.
	testenv.Eventually(t, 30*time.Second, func() error {
		if n := bytesBelow(t, dir) - before; n < 48<<20 {
			return fmt.Errorf("%d bytes of parts are stored", n)
		}
		return nil
	})
	if err := storer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = storer.Wait() // it was killed

	if keys, err := blob.DeletePrefix(t.Context(), b, "t/"); err != nil || len(keys) != 0 {
		t.Errorf("DeletePrefix = %q, %v: parts are no objects", keys, err)
	}
	ended, err := b.AbortUploads(t.Context(), "t/default/j/job/", time.Now().Add(time.Hour))
	if err != nil || ended != 1 {
		t.Errorf("AbortUploads = %d, %v, want the one upload", ended, err)
	}
	testenv.Eventually(t, 30*time.Second, func() error {
		if n := bytesBelow(t, dir) - before; n > 0 {
			return fmt.Errorf("%d bytes are left in the folder", n)
		}
		return nil
	})
}
