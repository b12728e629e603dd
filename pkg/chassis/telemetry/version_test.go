package telemetry

import (
	"runtime/debug"
	"testing"
)

func TestVersionComesFromTheModuleOrTheRevision(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	revision := setting("vcs.revision", "0123456789abcdef0123")
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":             {Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{revision}},
		"0123456789ab":       {Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{revision, setting("vcs.modified", "false")}},
		"0123456789ab-dirty": {Settings: []debug.BuildSetting{revision, setting("vcs.modified", "true")}},
		"unknown":            {Settings: []debug.BuildSetting{setting("vcs.modified", "true")}},
	} {
		if got := versionOf(&info); got != want {
			t.Errorf("versionOf = %q, want %q", got, want)
		}
	}
	if BuildVersion() == "" {
		t.Error("BuildVersion is empty")
	}
}
