package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of go.work.
const root = "../.."

func TestTheTreeKeepsItsRules(t *testing.T) {
	packages := list(t)
	if len(packages) < 20 {
		t.Fatalf("only %d packages were found", len(packages))
	}
	for _, v := range Check(packages) {
		t.Error(v)
	}
	for _, v := range CheckModules(modules(t)) {
		t.Error(v)
	}
}

// TestEveryRuleCanBeBroken breaks each rule once.
func TestEveryRuleCanBeBroken(t *testing.T) {
	service := Root + "services/job-service/"
	broken := map[string]Package{
		"layers":        {ImportPath: service + "internal/application/jobs", Imports: []string{service + "internal/infrastructure/persistence"}},
		"domain":        {ImportPath: service + "internal/domain/saga", Imports: []string{"net/http"}},
		"application":   {ImportPath: service + "internal/application/jobs", Imports: []string{Root + "pkg/blob/s3blob"}},
		"services":      {ImportPath: service + "internal/domain/saga", Imports: []string{Root + "services/thumbnail-worker/x"}},
		"shared":        {ImportPath: Root + "pkg/worker", Imports: []string{service + "internal/domain/job"}},
		"core":          {ImportPath: Root + "pkg/core/ident", Imports: []string{"github.com/google/uuid"}},
		"technology":    {ImportPath: Root + "pkg/worker", Imports: []string{"github.com/rabbitmq/amqp091-go"}},
		"layer-folders": {ImportPath: service + "internal/domain", GoFiles: 1},
	}
	for _, r := range Rules() {
		t.Run(r.Name, func(t *testing.T) {
			p, ok := broken[r.Name]
			if !ok {
				t.Fatal("no package breaks this rule")
			}
			for _, v := range Check([]Package{p}) {
				if v.Rule == r.Name {
					return
				}
			}
			t.Errorf("%+v does not break it", p)
		})
	}
	for _, m := range []Module{
		{Path: Root + "pkg/core", Requires: []string{"github.com/google/uuid"}},
		{Path: Root + "pkg/worker", Requires: []string{Root + "services/job-service"}},
		{Path: Root + "test/e2e", Requires: []string{Root + "test/servers"}},
	} {
		if len(CheckModules([]Module{m})) != 1 {
			t.Errorf("%+v breaks no rule", m)
		}
	}
}

func TestWhatIsAllowed(t *testing.T) {
	service := Root + "services/job-service/"
	for _, p := range []Package{
		{ImportPath: service + "internal/application/jobs", Imports: []string{"context", Root + "pkg/blob", service + "internal/domain/job"}},
		{ImportPath: service + "internal/domain/saga", Imports: []string{"time", Root + "pkg/core/fault", service + "internal/domain/job"}},
		{ImportPath: Root + "services/standalone/internal/app", Imports: []string{Root + "services/job-service", "github.com/versity/versitygw/embedgw"}},
		{ImportPath: Root + "services/job-service", Imports: []string{service + "internal/infrastructure/persistence", service + "internal/presentation/rest"}},
	} {
		for _, v := range Check([]Package{p}) {
			t.Error(v)
		}
	}
}

// TestEveryModuleIsInTheWorkspace finds modules that go.work forgot, but for the servers of the tests.
func TestEveryModuleIsInTheWorkspace(t *testing.T) {
	work, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "go.mod" {
			return err
		}
		found++
		rel, _ := filepath.Rel(root, filepath.Dir(p))
		if inside := strings.Contains(string(work), "./"+rel+"\n"); inside == (rel == "test/servers") {
			t.Errorf("%s in go.work: %v", rel, inside)
		}
		return nil
	})
	if err != nil || found < 10 {
		t.Fatalf("%d modules, %v", found, err)
	}
}

func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", "work")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []Package
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			GoFiles    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, Package{ImportPath: p.ImportPath, Imports: p.Imports, GoFiles: len(p.GoFiles)})
	}
}

func modules(t *testing.T) []Module {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*", "*", "go.mod"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d modules, %v", len(files), err)
	}
	var all []Module
	for _, f := range files {
		out, err := exec.Command("go", "mod", "edit", "-json", f).Output()
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		var m struct {
			Module  struct{ Path string }
			Require []struct {
				Path     string
				Indirect bool
			}
		}
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatal(err)
		}
		mod := Module{Path: m.Module.Path}
		for _, r := range m.Require {
			if !r.Indirect {
				mod.Requires = append(mod.Requires, r.Path)
			}
		}
		all = append(all, mod)
	}
	return all
}
