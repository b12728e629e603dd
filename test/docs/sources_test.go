package docs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// documents returns the text of every Markdown document of the project by its path below root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, dir := range []string{"docs", "examples", "deploy"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".md") {
				all[below(t, path)] = read(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} {
		all[name] = read(t, filepath.Join(root, name))
	}
	return all
}

func below(t *testing.T, path string) string {
	t.Helper()
	rel, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sources returns the text of all files of Go below the folders, with their tests where wanted.
func sources(t *testing.T, tests bool, dirs ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && (tests || !strings.HasSuffix(path, "_test.go")) {
				all[below(t, path)] = read(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// names is a set.
type names map[string]bool

// found returns every match of the pattern's first group, or of the whole pattern where it has none.
func found(pattern, text string) names {
	all := names{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all[m[len(m)-1]] = true
	}
	return all
}

func (n names) add(others names) { maps.Copy(n, others) }

func (n names) sorted() []string { return slices.Sorted(maps.Keys(n)) }

// compare reports what a document names and the code has not, and the reverse.
func compare(t *testing.T, document, what string, written, real names) {
	t.Helper()
	if len(real) == 0 || len(written) == 0 {
		t.Fatalf("%s: %d %s in the document, %d in the code: the check has nothing to compare", document, len(written), what, len(real))
	}
	for _, n := range written.sorted() {
		if !real[n] {
			t.Errorf("%s names %s, which is none of the %s there are", document, n, what)
		}
	}
	for _, n := range real.sorted() {
		if !written[n] {
			t.Errorf("%s does not name %s, one of the %s", document, n, what)
		}
	}
}
