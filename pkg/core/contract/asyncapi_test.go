package contract_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

const asyncAPI = "../../../docs/api/asyncapi.yaml"

// names returns every name that the code gives to message types, exchanges and queues, and every routing
// key and document key in use.
func names() (ours, keys []string) {
	ours = []string{contract.TypeTaskCancel, contract.ExchangeCommand, contract.ExchangeReply, contract.ExchangeEvent, contract.ExchangeControl,
		contract.ExchangePark, contract.QueueReply, contract.QueueReplyPark}
	keys = []string{contract.KeyReply, contract.KeyReplyPark, contract.KeyCancel, contract.EnvelopeContentType}
	for _, k := range contract.Kinds() {
		ours = append(ours, k.CommandType(), k.StartedType(), k.CompletedType(), k.FailedType(), k.CommandQueue(), k.ParkQueue())
		keys = append(keys, k.CommandKey(), k.ParkKey())
	}
	for _, s := range jobStates {
		ours = append(ours, contract.JobEventType(s))
		keys = append(keys, s)
	}
	return ours, keys
}

var (
	// token is a word of the document between blanks, quotes and brackets.
	token   = regexp.MustCompile("[^\\s'\"`,()\\[\\]]+")
	ourName = regexp.MustCompile(`^reelmill(\.[a-z0-9_]+)+$`)
)

func TestTheAsyncAPIDocumentNamesWhatTheCodeSends(t *testing.T) {
	b, err := os.ReadFile(asyncAPI)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, w := range token.FindAllString(string(b), -1) {
		written[strings.TrimRight(w, ".:;")] = true
	}
	ours, keys := names()
	for _, name := range append(ours, keys...) {
		if !written[name] {
			t.Errorf("the document does not name %s", name)
		}
	}
	known := map[string]bool{}
	for _, name := range ours {
		known[name] = true
	}
	for w := range written {
		if ourName.MatchString(w) && !known[w] {
			t.Errorf("the document names %s, which the code does not", w)
		}
	}
}
