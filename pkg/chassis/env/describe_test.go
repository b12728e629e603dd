package env_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/env"
)

func TestPrintShowsValuesAndHidesSecrets(t *testing.T) {
	cfg, err := env.LoadFrom[config]([]string{
		"NAME=amqp://me:hunter2@host/", "PASSWORD=hunter2", "KEY=hunter3", "TAGS=a b;c", "PEER=::1",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `NAME=amqp://me:***@host/
SCRATCH=64MiB
LEVEL=INFO
SMALL=0
DEBUG=false
TAGS="a b;c"
PEER=::1
PASSWORD=***
KEY=***
DATABASE_SIZE=4
DATABASE_WAIT=5s
BROKER_SIZE=4
BROKER_WAIT=5s
`
	var byValue, byPointer strings.Builder
	if err := errors.Join(env.Print(&byValue, cfg), env.Print(&byPointer, &cfg)); err != nil {
		t.Fatal(err)
	}
	if byValue.String() != want || byPointer.String() != want {
		t.Errorf("Print wrote\n%s\nwant\n%s", byValue.String(), want)
	}
}

func TestPrintShowsThatASecretIsNotSet(t *testing.T) {
	var b strings.Builder
	if err := env.Print(&b, config{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\nPASSWORD=\nKEY=\n") {
		t.Errorf("Print wrote\n%s\nwant empty PASSWORD and KEY", b.String())
	}
}

func TestPrintedConfigurationLoadsAgain(t *testing.T) {
	cfg, err := env.LoadFrom[pool]([]string{"SIZE=9", "WAIT=45s"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := env.Print(&b, cfg); err != nil {
		t.Fatal(err)
	}
	if again, err := env.LoadFrom[pool](strings.Split(b.String(), "\n")); err != nil || again != cfg {
		t.Errorf("LoadFrom(Print(%v)) = %v, %v", cfg, again, err)
	}
}

func TestMarkdownDescribesEveryVariable(t *testing.T) {
	type piped struct {
		URL   env.Secret `env:"URL,required" doc:"Address | with credentials."`
		Sizes []int64    `env:"SIZES" envDefault:"1,2" doc:"Sizes."`
		Pool  pool       `envPrefix:"POOL_"`
	}
	var b strings.Builder
	err := env.Markdown(&b,
		env.Section{Title: "Service", Intro: "All of it.", Config: piped{}},
		env.Section{Config: &struct {
			Disk env.Bytes `env:"DISK" doc:"Disk."`
		}{}},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := "## Service\n\nAll of it.\n\n" +
		"| variable | type | default | meaning |\n|---|---|---|---|\n" +
		"| `URL` | secret | required | Address \\| with credentials. |\n" +
		"| `SIZES` | list of whole number | `1,2` | Sizes. |\n" +
		"| `POOL_SIZE` | whole number | `4` | Connections kept open. |\n" +
		"| `POOL_WAIT` | duration | `5s` | Longest wait for a connection. |\n\n" +
		"| variable | type | default | meaning |\n|---|---|---|---|\n" +
		"| `DISK` | size |  | Disk. |\n"
	if b.String() != want {
		t.Errorf("Markdown wrote\n%s\nwant\n%s", b.String(), want)
	}
}

func TestMarkdownInsistsOnMeanings(t *testing.T) {
	var b strings.Builder
	err := env.Markdown(&b, env.Section{Config: struct {
		A int `env:"A"`
		B int `env:"B" doc:"Known."`
		C int `env:"C"`
	}{}})
	want := "configuration variable A has no doc tag\nconfiguration variable C has no doc tag"
	if err == nil || err.Error() != want || b.Len() > 0 {
		t.Errorf("Markdown = %v after writing %q, want %s", err, b.String(), want)
	}
}

func TestDescriptionsReportWriteErrors(t *testing.T) {
	if err := env.Print(brokenWriter{}, pool{}); !errors.Is(err, errBroken) {
		t.Errorf("Print = %v, want %v", err, errBroken)
	}
	if err := env.Markdown(brokenWriter{}, env.Section{Config: pool{}}); !errors.Is(err, errBroken) {
		t.Errorf("Markdown = %v, want %v", err, errBroken)
	}
	if err := env.Print(&strings.Builder{}, nil); err == nil {
		t.Error("Print(nil) succeeded")
	}
}

var errBroken = errors.New("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestUnknownReportsOnlyUnclaimedNamesWithThePrefix(t *testing.T) {
	for _, name := range []string{"CHASSISTEST_SIZE", "CHASSISTEST_WAIT_FILE", "CHASSISTEST_SIEZ", "CHASSISTEST_A", "OTHERTEST_X"} {
		t.Setenv(name, "1")
	}
	type prefixed struct {
		Pool pool `envPrefix:"CHASSISTEST_"`
	}
	got, err := env.Unknown("CHASSISTEST_", prefixed{}, &pool{})
	if want := []string{"CHASSISTEST_A", "CHASSISTEST_SIEZ"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Unknown = %q, %v; want %q", got, err, want)
	}
	if _, err := env.Unknown("", prefixed{}); err == nil {
		t.Error("an empty prefix was accepted")
	}
}
