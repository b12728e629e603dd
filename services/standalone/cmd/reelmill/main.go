// Reelmill processes media files: the whole system in one process, and the command line for it.
package main

import (
	"os"

	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/services/standalone/internal/cli"
)

func main() {
	sandbox.Main() // media tools are started through this program: it must come first
	os.Exit(cli.Main(os.Args[1:]))
}
