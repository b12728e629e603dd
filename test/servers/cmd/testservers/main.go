// Command testservers runs real servers, privately and on loopback, for tests: RabbitMQ, a MongoDB stand-in, an S3
// server and Toxiproxy. Run it without arguments for its usage.
package main

import (
	"os"

	"github.com/reelmill/reelmill/test/servers/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Host{Stdout: os.Stdout, Stderr: os.Stderr}))
}
