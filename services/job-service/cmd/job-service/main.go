// Job-service owns the life of jobs: it answers the REST interface, orchestrates, dispatches to workers
// and takes their replies. See the subcommand help.
package main

import (
	"os"

	"github.com/reelmill/reelmill/services/job-service/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
