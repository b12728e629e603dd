package system

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// slowStep is how long a media tool of slowTools takes: four times what the broker lets a message go
// unacknowledged.
const slowStep = 20 * time.Second

// slowTools returns a PATH on which the first run of ffmpeg waits for slowStep, in a process of its own and
// without any progress. sleeper is part of the command line of that process alone.
func slowTools(t *testing.T) (path, sleeper string) {
	t.Helper()
	real, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sleeper = fmt.Sprintf("/bin/sleep %d.%09d", int(slowStep.Seconds()), rand.IntN(1e9))
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in\n-version | *\" -version\"*) ;;\n*) /bin/mkdir %s/ran 2>/dev/null && %s ;;\nesac\nexec %s \"$@\"\n",
		dir, sleeper, real)
	if err := os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir + ":" + os.Getenv("PATH"), sleeper
}
