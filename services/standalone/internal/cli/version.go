package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/services/standalone/internal/app"
)

type versionCommand struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// Run prints the version.
func (c *versionCommand) Run(env *environment) error {
	v := struct {
		Version   string `json:"version"`
		GoVersion string `json:"go_version"`
		Platform  string `json:"platform"`
	}{telemetry.BuildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if c.JSON {
		return printJSON(env.stdout, v)
	}
	_, err := fmt.Fprintf(env.stdout, "%s %s (%s, %s)\n", app.Name, v.Version, v.GoVersion, v.Platform)
	return err
}

// printJSON writes one indented document.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
