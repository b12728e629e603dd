package docs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/messaging"
)

func TestGeneratedDocumentsAreUpToDate(t *testing.T) {
	files, err := Generate(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		if got := read(t, filepath.Join(root, path)); got != string(want) {
			t.Errorf("%s is not what the code says: run `make docs`", path)
		}
	}
}

// link is a Markdown link whose target is no URL.
var link = regexp.MustCompile(`\]\(([^)\s:]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	docs := documents(t)
	links := 0
	for path, text := range docs {
		for _, m := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			} else if anchor != "" && !anchors(docs[target])[anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", path, m[1], target)
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links were found", links)
	}
}

var code = regexp.MustCompile("(?ms)^```.*?^```$")

// withoutCode returns a document without its fenced blocks.
func withoutCode(text string) string { return code.ReplaceAllString(text, "") }

// anchors are the headings of a document as links name them.
func anchors(text string) names {
	all := names{}
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	for h := range found(`(?m)^#+ (.+)$`, withoutCode(text)) {
		all[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(h), ""), " ", "-")] = true
	}
	return all
}

func TestPathsThatAreNamedExist(t *testing.T) {
	for path, text := range documents(t) {
		if path == "CHANGELOG.md" {
			continue // it tells of the past
		}
		for p := range found("`((?:pkg|services|test|deploy|docs|examples)/[A-Za-z0-9_./-]+)`", text) {
			if _, err := os.Stat(filepath.Join(root, p)); err != nil {
				t.Errorf("%s names %s, which is not there", path, p)
			}
		}
	}
}

func TestMakeTargetsThatAreNamedExist(t *testing.T) {
	makefile := read(t, filepath.Join(root, "Makefile"))
	targets := found(`(?m)^([a-z-]+):`, makefile)
	for path, text := range documents(t) {
		named := found("`make ([a-z-]+)", text)
		for _, block := range code.FindAllString(text, -1) {
			named.add(found(`(?m)^make ([a-z-]+)`, block))
		}
		for target := range named {
			if !targets[target] {
				t.Errorf("%s names `make %s`, which the Makefile has not", path, target)
			}
		}
	}
}

// The README says what is installed on whoever's machine it is.
func TestTheReadmeNamesEveryPackageThatIsInstalled(t *testing.T) {
	text := read(t, filepath.Join(root, "README.md"))
	packages := found(`(?m)^[A-Z]+_PACKAGES := (.+)$`, read(t, filepath.Join(root, "Makefile")))
	if len(packages) == 0 {
		t.Fatal("the Makefile has no lists of packages")
	}
	for list := range packages {
		for p := range strings.FieldsSeq(list) {
			if !strings.Contains(text, "`"+p+"`") {
				t.Errorf("the README does not say that %s is installed", p)
			}
		}
	}
}

func TestEveryExampleOfAMessageIsOneThatIsSent(t *testing.T) {
	text := read(t, filepath.Join(root, "docs/messaging.md"))
	shown := regexp.MustCompile("(?ms)^<!-- message (\\S+) -->\n```json\n(.*?)^```$").FindAllStringSubmatch(text, -1)
	if blocks := strings.Count(text, "```json\n"); len(shown) != blocks || blocks == 0 {
		t.Fatalf("%d of %d examples say which message they are", len(shown), blocks)
	}
	for _, m := range shown {
		golden := read(t, filepath.Join(root, "pkg/core/contract/testdata/messages", m[1]+".json"))
		var got, want bytes.Buffer
		if err := json.Compact(&got, []byte(m[2])); err != nil {
			t.Errorf("%s: %v", m[1], err)
			continue
		}
		if err := json.Compact(&want, []byte(golden)); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%s is shown as\n%s\nit is\n%s", m[1], &got, &want)
		}
	}
}

func TestMessagingNamesWhatIsAtTheBroker(t *testing.T) {
	real := names{contract.TypeTaskCancel: true}
	for _, e := range messaging.System().Exchanges {
		real[e.Name] = true
	}
	for _, q := range messaging.System().Queues {
		real[q.Name] = true
	}
	for _, k := range contract.Kinds() {
		for _, n := range []string{k.CommandType(), k.StartedType(), k.CompletedType(), k.FailedType()} {
			real[n] = true
		}
	}
	for s := range jobStates(t) {
		real[contract.JobEventType(s)] = true
	}
	text := read(t, filepath.Join(root, "docs/messaging.md"))
	compare(t, "docs/messaging.md", "names of messages, exchanges and queues", found(`\breelmill(?:\.[a-z0-9_]+)+\b`, text), real)
}

// jobStates are those that the state diagram shows, which is compared with the code elsewhere.
func jobStates(t *testing.T) names {
	t.Helper()
	return found(`as job_([a-z_]+)\n`, read(t, filepath.Join(root, "docs/architecture.md")))
}
