// Package arch holds the rules of the tree as code: which layer and which module may depend on which.
// Check looks at packages as `go list` describes them, so a rule can be tested by breaking it.
package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Root is the prefix of every module of the project.
const Root = "github.com/reelmill/reelmill/"

// Package is what the rules need to know of a package: import paths, the module and the imports of its
// own files, tests left out.
type Package struct {
	ImportPath string
	Imports    []string
	// GoFiles is how many files of Go it has, tests left out.
	GoFiles int
}

// Module is what the rules need to know of a module: its path and the modules that it requires directly.
type Module struct {
	Path     string
	Requires []string
}

// Violation is a broken rule.
type Violation struct {
	// Rule names the rule.
	Rule string
	// Where is the import path or module that breaks it, What what it does.
	Where, What string
	// Why is the rule's reason.
	Why string
}

// String returns the violation as a sentence.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s %s (%s)", v.Rule, strings.TrimPrefix(v.Where, Root), v.What, v.Why)
}

// layers are the folders of a service, from the innermost.
var layers = []string{"domain", "application", "infrastructure", "presentation"}

// place says where in a service a package lies.
type place struct {
	service string // "job-service"; empty outside of services
	layer   string // one of layers; empty for the service's root and its programs
}

func placeOf(importPath string) place {
	rest, ok := strings.CutPrefix(importPath, Root+"services/")
	if !ok {
		return place{}
	}
	parts := strings.Split(rest, "/")
	p := place{service: parts[0]}
	if len(parts) > 2 && parts[1] == "internal" && slices.Contains(layers, parts[2]) {
		p.layer = parts[2]
	}
	return p
}

// allowed says which layers each layer may import besides itself. Infrastructure and presentation do not
// know each other; the service's root package wires them.
var allowed = map[string][]string{
	"domain":         nil,
	"application":    {"domain"},
	"infrastructure": {"domain", "application"},
	"presentation":   {"domain", "application"},
}

// shared are the modules that the inner layers may use: ports, and the kernel. Adapters are in packages
// below them and are for composition roots, programs and infrastructure.
var shared = map[string][]string{
	"domain":      {"pkg/core"},
	"application": {"pkg/core", "pkg/messaging", "pkg/blob", "pkg/database", "pkg/worker"},
}

// Rule is one rule of the tree.
type Rule struct {
	Name, Why string
	check     func(p Package) []string
}

// Rules returns the rules for packages.
func Rules() []Rule {
	return []Rule{
		{"layers", "source dependencies point inwards only", checkLayers},
		{"domain", "the domain has no I/O and no clock: it imports the standard library's pure part and core", checkDomain},
		{"application", "use cases see ports, never adapters", checkApplication},
		{"services", "services share only what they publish in pkg; one that imports another cannot be deployed alone", checkServices},
		{"shared", "shared modules know no service", checkShared},
		{"core", "the kernel stands on the standard library alone", checkCore},
		{"technology", "one shared module per outside technology: everything else sees its port", checkTechnology},
		{"layer-folders", "a layer folder holds packages named for what they hold, and no files", checkLayerFolders},
	}
}

// Check returns every violation of the rules by these packages.
func Check(packages []Package) []Violation {
	var found []Violation
	for _, r := range Rules() {
		for _, p := range packages {
			for _, what := range r.check(p) {
				found = append(found, Violation{Rule: r.Name, Where: p.ImportPath, What: what, Why: r.Why})
			}
		}
	}
	return found
}

func checkLayers(p Package) (bad []string) {
	from := placeOf(p.ImportPath)
	if from.layer == "" {
		return nil
	}
	for _, i := range p.Imports {
		to := placeOf(i)
		if to.service != from.service {
			continue
		}
		if to.layer == "" || to.layer != from.layer && !slices.Contains(allowed[from.layer], to.layer) {
			bad = append(bad, fmt.Sprintf("imports %s from layer %s", strings.TrimPrefix(i, Root), from.layer))
		}
	}
	return bad
}

// impure are packages of the standard library that do I/O, know the time of day through their functions,
// or log. time itself is allowed: domain code gets instants as arguments, which forbidigo watches.
var impure = []string{"context", "database/", "io/fs", "io/ioutil", "log", "log/slog", "net", "net/http", "os", "os/exec", "os/signal", "syscall", "testing"}

func checkDomain(p Package) (bad []string) {
	if placeOf(p.ImportPath).layer != "domain" {
		return nil
	}
	for _, i := range p.Imports {
		switch {
		case isStandard(i):
			// Repositories are declared beside their aggregate, and their methods take a context.
			if i != "context" && slices.Contains(impure, i) {
				bad = append(bad, "imports "+i)
			}
		case strings.HasPrefix(i, Root) && (placeOf(i).layer == "domain" || inModules(i, shared["domain"])):
		default:
			bad = append(bad, "imports "+strings.TrimPrefix(i, Root))
		}
	}
	return bad
}

func checkApplication(p Package) (bad []string) {
	if placeOf(p.ImportPath).layer != "application" {
		return nil
	}
	for _, i := range p.Imports {
		rest, ours := strings.CutPrefix(i, Root)
		switch {
		case isStandard(i):
			if i == "net/http" || i == "os/exec" || strings.HasPrefix(i, "database/sql") {
				bad = append(bad, "imports "+i)
			}
		case !ours:
			if !strings.HasPrefix(i, "golang.org/x/sync/") {
				bad = append(bad, "imports "+i)
			}
		case placeOf(i).service != "":
		case strings.HasPrefix(rest, "pkg/core/"):
		case !slices.Contains(shared["application"], rest):
			bad = append(bad, "imports "+rest+", which is no port")
		}
	}
	return bad
}

func checkServices(p Package) (bad []string) {
	from := placeOf(p.ImportPath).service
	if from == "" || from == "standalone" {
		return nil
	}
	for _, i := range p.Imports {
		if to := placeOf(i).service; to != "" && to != from {
			bad = append(bad, "imports service "+to)
		}
	}
	return bad
}

func checkShared(p Package) (bad []string) {
	if !strings.HasPrefix(p.ImportPath, Root+"pkg/") {
		return nil
	}
	for _, i := range p.Imports {
		if placeOf(i).service != "" {
			bad = append(bad, "imports "+strings.TrimPrefix(i, Root))
		}
	}
	return bad
}

func checkCore(p Package) (bad []string) {
	if !inModules(p.ImportPath, []string{"pkg/core"}) {
		return nil
	}
	for _, i := range p.Imports {
		if !isStandard(i) && !strings.HasPrefix(i, Root+"pkg/core/") {
			bad = append(bad, "imports "+i)
		}
	}
	return bad
}

// technologies names, for each outside technology, the modules that may use it.
var technologies = map[string][]string{
	"github.com/rabbitmq/amqp091-go":     {"pkg/messaging", "test/servers"},
	"go.mongodb.org/mongo-driver":        {"pkg/database", "test/servers"},
	"modernc.org/sqlite":                 {"pkg/sqlite"},
	"github.com/aws/aws-sdk-go-v2":       {"pkg/blob", "test/servers"},
	"github.com/u2takey/ffmpeg-go":       {"pkg/ffmpeg"},
	"github.com/versity/versitygw":       {"services/standalone", "test/servers"},
	"github.com/go-chi/chi":              {"pkg/chassis", "services/job-service"},
	"github.com/danielgtaylor/huma":      {"services/job-service"},
	"go.opentelemetry.io/otel/sdk":       {"pkg/chassis", "pkg/database", "pkg/messaging", "test/e2e"},
	"go.opentelemetry.io/otel/exporters": {"pkg/chassis"},
	"github.com/caarlos0/env":            {"pkg/chassis"},
}

func checkTechnology(p Package) (bad []string) {
	for _, i := range p.Imports {
		for tech, modules := range technologies {
			if (i == tech || strings.HasPrefix(i, tech+"/")) && !inModules(p.ImportPath, modules) {
				bad = append(bad, "imports "+i)
			}
		}
	}
	return bad
}

func checkLayerFolders(p Package) []string {
	if slices.Contains(layers, path.Base(p.ImportPath)) && strings.HasSuffix(path.Dir(p.ImportPath), "/internal") && p.GoFiles > 0 {
		return []string{"has files of its own"}
	}
	return nil
}

// CheckModules returns every violation of the rules for modules.
func CheckModules(modules []Module) []Violation {
	var found []Violation
	for _, m := range modules {
		rel := strings.TrimPrefix(m.Path, Root)
		for _, r := range m.Requires {
			dep, ours := strings.CutPrefix(r, Root)
			bad := func(rule, why string) {
				found = append(found, Violation{Rule: rule, Where: m.Path, What: "requires " + r, Why: why})
			}
			switch {
			case rel == "pkg/core":
				bad("core-module", "the kernel requires nothing")
			case ours && strings.HasPrefix(dep, "services/") && rel != "services/standalone" && !strings.HasPrefix(rel, "test/"):
				bad("service-module", "nothing requires a service but standalone and the tests")
			case ours && dep == "test/servers":
				bad("servers-module", "no module inherits the servers that tests start")
			}
		}
	}
	return found
}

func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func inModules(importPath string, modules []string) bool {
	rest, ok := strings.CutPrefix(importPath, Root)
	return ok && slices.ContainsFunc(modules, func(m string) bool { return rest == m || strings.HasPrefix(rest, m+"/") })
}
