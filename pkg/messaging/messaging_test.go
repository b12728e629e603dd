package messaging_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/messaging"
)

func TestPublishErrorUnwrapsToEachFailure(t *testing.T) {
	err := error(&messaging.PublishError{Errs: []error{nil, messaging.ErrRefused, nil, messaging.ErrUnroutable}})
	if !errors.Is(err, messaging.ErrRefused) || !errors.Is(err, messaging.ErrUnroutable) || errors.Is(err, messaging.ErrTooLarge) {
		t.Errorf("errors.Is of %v does not see exactly the failures", err)
	}
}

func TestTopologyValidateNamesEveryProblem(t *testing.T) {
	err := messaging.Topology{
		Exchanges: []messaging.Exchange{{Name: "cmd", Kind: messaging.Direct}, {Name: "cmd", Kind: messaging.Direct}, {Name: "odd", Kind: "fanout"}},
		Queues: []messaging.Queue{
			{Name: "unbound", Exchange: "nowhere"},
			{Name: "endless", Exchange: "cmd", ParkExchange: "cmd"},
			{Name: "deadly", Exchange: "cmd", DeliveryLimit: 3},
			{Name: "lost", Exchange: "cmd", ParkExchange: "gone", DeliveryLimit: 3},
			{Name: "twice", Exchange: "cmd"}, {Name: "twice", Exchange: "cmd"},
		},
	}.Validate()
	if err == nil {
		t.Fatal("Validate = nil, want an error")
	}
	for _, want := range []string{`"cmd" is unnamed or stands twice`, "exchange odd", "queue unbound", "queue endless", "queue deadly", "queue lost", `queue "twice"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want it to name %s", err, want)
		}
	}
	if err := messaging.System().Validate(); err != nil {
		t.Errorf("the system's topology: %v", err)
	}
}
