package control_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/reelmill/reelmill/test/servers/internal/control"
	"github.com/reelmill/reelmill/test/servers/internal/suite"
)

func TestServersThatAreNotPartOfTheSuiteCannotBeControlled(t *testing.T) {
	api := control.New(&suite.Suite{})
	defer api.Close()
	for _, path := range []string{"/rabbitmq/kill", "/rabbitmq/alarm/set", "/mongo/start", "/s3/kill", "/toxiproxy/kill"} {
		t.Run(path, func(t *testing.T) {
			answer := httptest.NewRecorder()
			api.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, path, nil))
			if answer.Code != http.StatusNotFound {
				t.Errorf("status %d, want 404", answer.Code)
			}
		})
	}
	answer := httptest.NewRecorder()
	api.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/mongo/kill", nil))
	var failure struct{ Error string }
	if err := json.Unmarshal(answer.Body.Bytes(), &failure); err != nil || failure.Error == "" {
		t.Errorf("answer %q, want a JSON object with an error (%v)", answer.Body, err)
	}
}
