package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

func TestClassOf(t *testing.T) {
	truncated := fault.New(fault.CodeSourceTruncated, "ends at byte %d", 10)
	tests := []struct {
		name  string
		err   error
		class fault.Class
		code  fault.Code
	}{
		{"nil is transient", nil, fault.Transient, fault.CodeInternal},
		{"an unclassified error is transient", io.EOF, fault.Transient, fault.CodeInternal},
		{"a classified error", truncated, fault.Invalid, fault.CodeSourceTruncated},
		{"wrapping keeps the class", fmt.Errorf("probe: %w", truncated), fault.Invalid, fault.CodeSourceTruncated},
		{"the outermost classification wins", fault.Wrap(fault.CodeLimitExceeded, truncated, ""), fault.Permanent, fault.CodeLimitExceeded},
		{"a cancelled context", fmt.Errorf("read: %w", context.Canceled), fault.Cancelled, fault.CodeCancelled},
		{"a passed deadline is transient", context.DeadlineExceeded, fault.Transient, fault.CodeInternal},
		{"a code of another version is transient", fault.New("from_the_future", ""), fault.Transient, "from_the_future"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fault.ClassOf(tt.err); got != tt.class {
				t.Errorf("ClassOf = %v, want %v", got, tt.class)
			}
			if got := fault.CodeOf(tt.err); got != tt.code {
				t.Errorf("CodeOf = %v, want %v", got, tt.code)
			}
		})
	}
}

func TestDetailNeverShowsTheCause(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.7: secret")
	err := fault.Wrap(fault.CodeStorageUnavailable, cause, "")
	if got := fault.DetailOf(err); got != fault.Lookup(fault.CodeStorageUnavailable).Title {
		t.Errorf("DetailOf = %q, want the catalogue's title", got)
	}
	if got := fault.RecordOf(fmt.Errorf("put: %w", err)); strings.Contains(got.Detail, "secret") {
		t.Errorf("RecordOf = %+v shows the cause", got)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost to errors.Is")
	}
	if fault.Wrap(fault.CodeInternal, nil, "x") != nil {
		t.Error("Wrap(nil) is not nil")
	}
}

func TestRecordRoundTrip(t *testing.T) {
	r := fault.RecordOf(fault.New(fault.CodeSourceEncrypted, "box 'encv' found"))
	if got := fault.RecordOf(r.Err()); got != r {
		t.Errorf("round trip = %+v, want %+v", got, r)
	}
	for c := fault.Transient; c <= fault.Conflict; c++ {
		if got := fault.ParseClass(c.String()); got != c {
			t.Errorf("ParseClass(%q) = %v", c, got)
		}
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	seen := map[fault.Code]bool{}
	for _, e := range fault.Catalogue() {
		if seen[e.Code] {
			t.Errorf("%s stands twice", e.Code)
		}
		seen[e.Code] = true
		if e.Title == "" || strings.HasSuffix(e.Title, ".") || !strings.HasSuffix(e.Hint, ".") {
			t.Errorf("%s: title %q, hint %q", e.Code, e.Title, e.Hint)
		}
	}
}
