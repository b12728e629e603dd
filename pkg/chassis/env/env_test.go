package env_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/env"
)

type pool struct {
	Size int           `env:"SIZE" envDefault:"4" doc:"Connections kept open."`
	Wait time.Duration `env:"WAIT" envDefault:"5s" doc:"Longest wait for a connection."`
}

func (p pool) Validate() error {
	return errors.Join(
		env.Between("SIZE", p.Size, 1, 64),
		env.Between("WAIT", p.Wait, time.Second, time.Minute),
	)
}

type config struct {
	Name     string     `env:"NAME" envDefault:"mill" doc:"Name of the instance."`
	Scratch  env.Bytes  `env:"SCRATCH" envDefault:"64MiB" doc:"Disk for one task."`
	Level    slog.Level `env:"LEVEL" envDefault:"info" doc:"Least level that is logged."`
	Small    int8       `env:"SMALL" doc:"A small number."`
	Debug    bool       `env:"DEBUG" doc:"More output."`
	Tags     []string   `env:"TAGS" envSeparator:";" doc:"Tags."`
	Peer     netip.Addr `env:"PEER" doc:"Address of the peer."`
	Password env.Secret `env:"PASSWORD" doc:"Password of the database."`
	Key      string     `env:"KEY" secret:"true" doc:"Key of the database."`
	Database pool       `envPrefix:"DATABASE_"`
	Broker   pool       `envPrefix:"BROKER_"`

	Ignored func()
}

func TestLoadFillsFromVariablesAndDefaults(t *testing.T) {
	got, err := env.LoadFrom[config]([]string{
		"NAME=one", "NAME=two", "SCRATCH=2GiB", "LEVEL=warn", "TAGS=a;b,c", "PEER=192.0.2.1",
		"PASSWORD=hunter2", "DATABASE_SIZE=7", "BROKER_WAIT=30s", "OTHER=x", "malformed",
	})
	if err != nil {
		t.Fatalf("LoadFrom: %v", err)
	}
	if got.Name != "two" || got.Scratch != 2*env.GiB || got.Level != slog.LevelWarn || got.Debug {
		t.Errorf("LoadFrom = %+v", got)
	}
	if want := []string{"a", "b,c"}; !reflect.DeepEqual(got.Tags, want) {
		t.Errorf("Tags = %q, want %q", got.Tags, want)
	}
	if got.Peer != netip.MustParseAddr("192.0.2.1") || got.Password.Reveal() != "hunter2" {
		t.Errorf("Peer = %v, password set = %t", got.Peer, !got.Password.IsZero())
	}
	if want := (pool{Size: 7, Wait: 5 * time.Second}); got.Database != want {
		t.Errorf("Database = %v, want %v", got.Database, want)
	}
	if want := (pool{Size: 4, Wait: 30 * time.Second}); got.Broker != want {
		t.Errorf("Broker = %v, want %v", got.Broker, want)
	}
}

func TestLoadReadsTheProcessEnvironment(t *testing.T) {
	t.Setenv("DATABASE_SIZE", "9")
	got, err := env.Load[struct {
		Database pool `envPrefix:"DATABASE_"`
	}]()
	if err != nil || got.Database.Size != 9 {
		t.Errorf("Load = %+v, %v; want size 9", got, err)
	}
}

func TestLoadReportsEveryProblemAtOnce(t *testing.T) {
	got, err := env.LoadFrom[config]([]string{
		"NAME=", "SCRATCH=12 parsecs", "LEVEL=loud", "SMALL=300", "DEBUG=perhaps",
		"PEER=amqp://me:hunter2@host", "DATABASE_SIZE=many", "BROKER_SIZE=65", "BROKER_WAIT=2h",
	})
	if !reflect.DeepEqual(got, config{}) {
		t.Errorf("LoadFrom = %+v, want the zero value beside an error", got)
	}
	failure, ok := errors.AsType[*env.Error](err)
	if !ok || failure.ExitStatus() != 2 {
		t.Fatalf("LoadFrom error = %T %v, want *env.Error with exit status 2", err, err)
	}
	want := []string{
		`NAME: want a text, or the variable unset, got an empty value`,
		`SCRATCH: want a size such as "64MiB", got "12 parsecs" (parse size "12 parsecs": unknown unit "parsecs")`,
		`LEVEL: want "debug", "info", "warn" or "error", got "loud" (slog: level string "loud": unknown name)`,
		`SMALL: want a whole number from -128 to 127, got "300"`,
		`DEBUG: want "true" or "false", got "perhaps"`,
		`PEER: want a valid netip.Addr, got "amqp://me:***@host" (ParseAddr("amqp://me:***@host"): unexpected character (at "amqp://me:***@host"))`,
		`DATABASE_SIZE: want a whole number, got "many"`,
		`BROKER_SIZE: want 1 to 64, got 65`,
		`BROKER_WAIT: want 1s to 1m0s, got 2h0m0s`,
	}
	gotLines := strings.Split(err.Error(), "\n")
	for i := range max(len(want), len(gotLines)) {
		g, w := at(gotLines, i), at(want, i)
		// The library's own words for an address may change; ours may not.
		if g != w && !(i == 5 && strings.HasPrefix(g, w[:50]) && !strings.Contains(g, "hunter2")) {
			t.Errorf("problem %d:\n got %s\nwant %s", i, g, w)
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(none)"
}

func TestLoadRequiresVariables(t *testing.T) {
	type required struct {
		URL   string     `env:"URL,required" doc:"x"`
		Token env.Secret `env:"TOKEN,required" doc:"x"`
	}
	_, err := env.LoadFrom[required](nil)
	want := "URL: want a text, got nothing\nTOKEN: want a secret, got nothing"
	if err == nil || err.Error() != want {
		t.Errorf("LoadFrom error = %v, want %s", err, want)
	}
}

func TestLoadReadsFileVariants(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	crlf, plain := file("crlf", "hunter2\r\n"), file("plain", "7")
	empty, big := file("empty", "\n"), file("big", strings.Repeat("x", 1<<20+1))

	got, err := env.LoadFrom[config]([]string{"PASSWORD_FILE=" + crlf, "DATABASE_SIZE_FILE=" + plain})
	if err != nil || got.Password.Reveal() != "hunter2" || got.Database.Size != 7 {
		t.Errorf("LoadFrom = %d, %q, %v; want 7, hunter2", got.Database.Size, got.Password.Reveal(), err)
	}

	for name, tc := range map[string]struct{ environ, want string }{
		"missing file":  {"KEY_FILE=" + dir + "/none", "KEY_FILE: want the path of a file that holds a text, got open " + dir + "/none: no such file or directory"},
		"empty path":    {"KEY_FILE=", "KEY_FILE: want the path of a file that holds a text, got an empty value"},
		"empty file":    {"KEY_FILE=" + empty, "KEY_FILE: want the path of a file that holds a text, got " + empty + ", which is empty"},
		"huge file":     {"KEY_FILE=" + big, "KEY_FILE: want the path of a file that holds a text, got " + big + ", which is larger than 1MiB"},
		"a directory":   {"KEY_FILE=" + dir, "KEY_FILE: want the path of a file that holds a text, got read " + dir + ": is a directory"},
		"both variants": {"KEY=x\x00KEY_FILE=" + plain, "KEY: want either KEY or KEY_FILE, got both"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := env.LoadFrom[config](strings.Split(tc.environ, "\x00"))
			if err == nil || err.Error() != tc.want {
				t.Errorf("LoadFrom error = %v, want %s", err, tc.want)
			}
		})
	}
	_, err = env.LoadFrom[config]([]string{"KEY_FILE=" + dir + "/none"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v does not wrap os.ErrNotExist", err)
	}
}

func TestLoadNeverShowsSecrets(t *testing.T) {
	type secrets struct {
		Pin   int          `env:"PIN" secret:"true" doc:"x"`
		Token env.Secret   `env:"TOKEN" doc:"x"`
		Keys  []env.Secret `env:"KEYS" secret:"true" doc:"x"`
	}
	_, err := env.LoadFrom[secrets]([]string{"PIN=hunter2", "TOKEN=***", "KEYS=hunter3,***"})
	if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "hunter") || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("LoadFrom error = %v, want three problems and no value", err)
	}
}

type Embedded struct {
	Low int `env:"LOW" envDefault:"1" doc:"x"`
}

func (e *Embedded) Validate() error { return env.Invalid("LOW", "less", e.Low) }

func TestLoadValidatesAnEmbeddedStructOnce(t *testing.T) {
	type inner struct{ Embedded }
	_, err := env.LoadFrom[struct {
		Inner inner `envPrefix:"IN_"`
	}](nil)
	if want := "IN_LOW: want less, got 1"; err == nil || err.Error() != want {
		t.Errorf("LoadFrom error = %v, want %s", err, want)
	}
}

// relaxed replaces the Validate of the struct it embeds.
type relaxed struct{ Embedded }

func (relaxed) Validate() error { return nil }

func TestLoadLetsAStructReplaceTheValidateItEmbeds(t *testing.T) {
	if _, err := env.LoadFrom[relaxed](nil); err != nil {
		t.Errorf("LoadFrom = %v, want nil", err)
	}
}

type wrapping struct {
	Mode string `env:"MODE" envDefault:"fast" doc:"x"`
}

var errNoKeys = errors.New("no keys beside a public address")

func (w wrapping) Validate() error {
	return errors.Join(env.OneOf("MODE", w.Mode, "slow", "safe"), errNoKeys)
}

func TestLoadKeepsFindingsThatBelongToNoVariable(t *testing.T) {
	_, err := env.LoadFrom[struct {
		API wrapping `envPrefix:"API_"`
	}](nil)
	want := "API_MODE: want one of \"slow\", \"safe\", got \"fast\"\nAPI: no keys beside a public address"
	if err == nil || err.Error() != want || !errors.Is(err, errNoKeys) {
		t.Errorf("LoadFrom error = %v, want %s", err, want)
	}
	if _, ok := errors.AsType[*env.Problem](err); !ok {
		t.Errorf("error %v holds no *env.Problem", err)
	}
}

func TestLoadRefusesMistakesInTheDeclaration(t *testing.T) {
	type bad struct {
		Twice   int            `env:"A" doc:"x"`
		Again   int            `env:"A" doc:"x"`
		Clash   int            `env:"A_FILE" doc:"x"`
		Pointer *int           `env:"B" doc:"x"`
		Map     map[string]int `env:"C" doc:"x"`
		Option  int            `env:"D,unset" doc:"x"`
		Leaked  env.Secret     `env:"E" envDefault:"x" doc:"x"`
		Both    int            `env:"F,required" envDefault:"1" doc:"x"`
		NoName  int            `env:",required" doc:"x"`
	}
	_, err := env.LoadFrom[bad](nil)
	if _, ok := errors.AsType[*env.Error](err); ok || err == nil {
		t.Fatalf("LoadFrom error = %v, want one that is no *env.Error", err)
	}
	for _, want := range []string{
		"variable A is declared twice", "A_FILE is also the file variant of A", "field Pointer: type *int",
		"field Map: type map[string]int", `field Option: env option "unset"`, "field Leaked is secret and has a default",
		"field Both is required and has a default", "field NoName has an env tag without a name",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if _, err := env.LoadFrom[struct {
		N int `env:"N" envDefault:"many"`
	}](nil); err == nil || !strings.Contains(err.Error(), "default of configuration variable N") {
		t.Errorf("bad default: error = %v", err)
	}
	if _, err := env.LoadFrom[int](nil); err == nil {
		t.Error("LoadFrom[int] succeeded")
	}
}
