// Gendocs writes the documents that are generated from the code. It is run in the repository's root.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/reelmill/reelmill/test/docs"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := docs.Generate(context.Background(), ".")
	if err != nil {
		return err
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
