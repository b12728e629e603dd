package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// metrics returns every metric that the code declares. They are made by Opts with a Name, or by local helpers
// called counter and gauge; a Subsystem holds for its whole file.
func metrics(t *testing.T) names {
	t.Helper()
	all := names{}
	for _, text := range sources(t, false, "pkg", "services") {
		if !strings.Contains(text, `"github.com/prometheus/client_golang/prometheus"`) || !strings.Contains(text, "Opts{") {
			continue
		}
		prefix := "reelmill_"
		for s := range found(`Subsystem: *"([a-z_]+)"`, text) {
			prefix += s + "_"
		}
		for n := range found(`(?:Name: *|counter\(|gauge\()"([a-z_]+)"`, text) {
			all[prefix+n] = true
		}
	}
	return all
}

func TestOperationsNamesEveryMetric(t *testing.T) {
	text := read(t, filepath.Join(root, "docs/operations.md"))
	compare(t, "docs/operations.md", "metrics", found(`\breelmill_[a-z_]+\b`, text), metrics(t))
}

func TestOperationsNamesEveryAlert(t *testing.T) {
	text := read(t, filepath.Join(root, "docs/operations.md"))
	real := found(`(?m)- alert: (\w+)$`, read(t, filepath.Join(root, "deploy/prometheus/alerts.yml")))
	compare(t, "docs/operations.md", "alerts", found(`\bReelmill[A-Z]\w+`, text), real)
}

func TestDevelopmentNamesEveryFailpoint(t *testing.T) {
	real := names{}
	for _, text := range sources(t, false, "pkg", "services") {
		real.add(found(`faultinject\.Point\(\w+, "([a-z_.]+)"\)`, text))
	}
	_, section, ok := strings.Cut(read(t, filepath.Join(root, "docs/development.md")), "\n## Failpoints\n")
	if !ok {
		t.Fatal("docs/development.md has no section of failpoints")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	compare(t, "docs/development.md", "failpoints", found("`([a-z]+\\.[a-z_]+)`", section), real)
}

// Variables in documents are read by some program, test or script.
func TestVariablesThatAreNamedExist(t *testing.T) {
	const variable = `\bREELMILL_[A-Z0-9_]*[A-Z0-9]\b`
	real := found(variable, read(t, filepath.Join(root, "docs/configuration.md")))
	for _, text := range sources(t, true, "pkg", "services", "test") {
		real.add(found(`"(`+variable+`)"`, text))
	}
	for path, text := range documents(t) {
		if path == "docs/configuration.md" || strings.HasPrefix(path, "examples/") {
			continue // one is generated; examples have variables of their own
		}
		for v := range found(variable, text) {
			if !real[v] && !real[strings.TrimSuffix(v, "_FILE")] {
				t.Errorf("%s names %s, which nothing reads", path, v)
			}
		}
	}
}

// Codes that documents name are in the catalogue. Words of that shape that are other things must be known here.
func TestErrorCodesThatAreNamedExist(t *testing.T) {
	shape := regexp.MustCompile("`(source|message|ffmpeg|upload|worker|task|output|request|job|file|pipeline|storage|store|broker)_[a-z_]+`")
	real := names{}
	for _, e := range fault.Catalogue() {
		real[string(e.Code)] = true
	}
	for _, other := range []string{"job_id", "task_id", "source_sha256"} {
		real[other] = true
	}
	for path, text := range documents(t) {
		for _, m := range shape.FindAllString(text, -1) {
			if name := strings.Trim(m, "`"); !real[name] {
				t.Errorf("%s names the error %s, which the catalogue has not", path, name)
			}
		}
	}
}

// Every kind of work that messages know has a row in the documents.
func TestMessagingNamesEveryKind(t *testing.T) {
	text := read(t, filepath.Join(root, "docs/messaging.md"))
	for _, k := range contract.Kinds() {
		if !strings.Contains(text, k.CommandKey()) {
			t.Errorf("docs/messaging.md does not name the routing key %s", k.CommandKey())
		}
	}
}

// Tests that documents name are there: a promise stands on them.
func TestTestsThatAreNamedExist(t *testing.T) {
	real := names{}
	for _, text := range sources(t, true, "pkg", "services", "test") {
		real.add(found(`(?m)^func (Test[A-Z]\w+)\(`, text))
	}
	named := 0
	for path, text := range documents(t) {
		for n := range found(`\b(Test[A-Z]\w+)\b`, text) {
			if named++; !real[n] && n != "TestX" {
				t.Errorf("%s names %s, which is no test", path, n)
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d tests are named", named)
	}
}

// The lists of formats are the allow-lists. What decoders are called that are not named after their codec is
// not for users.
func TestFormatsAreThoseOfTheAllowLists(t *testing.T) {
	guard := read(t, filepath.Join(root, "pkg/ffmpeg/args/guard.go"))
	list := func(variable string) names {
		m := regexp.MustCompile(`(?s)\nvar ` + variable + ` = \S*\{(.*?)\n\}`).FindStringSubmatch(guard)
		if m == nil {
			t.Fatalf("guard.go has no %s", variable)
		}
		return found(`"([a-z0-9_-]+)"`, m[1])
	}
	codecs := list("decoders")
	codecs.add(found(`: "([a-z0-9_]+)"`, guard)) // codecOf
	for c := range codecs {
		if !args.Decodable(c) {
			delete(codecs, c)
		}
	}
	text := read(t, filepath.Join(root, "docs/formats.md"))
	_, text, _ = strings.Cut(text, "\n## Containers\n")
	containers, codecText, _ := strings.Cut(text, "\n## Codecs\n")
	compare(t, "docs/formats.md", "containers", found("`([a-z0-9_]+)`", containers), list("demuxers"))
	compare(t, "docs/formats.md", "codecs", found("`([a-z0-9_]+)`", codecText), codecs)
}
