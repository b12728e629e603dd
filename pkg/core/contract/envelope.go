// Package contract is the published language between the services: the envelope, the commands,
// replies and events, the routing names, the specifications and results of tasks, and the manifest.
// Everything here is plain data with JSON names that keep their meaning: within a major version fields
// are only added, and unknown fields are ignored. Golden files of every message that was ever released
// stay in testdata and must decode for ever.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// EnvelopeContentType is the content type of every message: CloudEvents 1.0, structured JSON.
const EnvelopeContentType = "application/cloudevents+json"

// MaxEnvelopeBytes is the largest message: messages carry references, never media.
const MaxEnvelopeBytes = 64 << 10

const specVersion = "1.0"

// typePrefix begins the type of every message of ours, "reelmill.thumbnail.generate.v1".
const typePrefix = "reelmill."

// Envelope is a CloudEvents 1.0 event in structured JSON form. The extension attributes jobid, tenant,
// traceparent and tracestate are ours and the W3C trace context's.
type Envelope struct {
	// ID is unique for Source: the same fact sent again has the same id.
	ID string
	// Source names the sender, a URI reference such as "/reelmill/job-service".
	Source string
	// Type is the message's type with its major version: see Type constants.
	Type string
	// Subject is what the message is about, such as a task's id.
	Subject string
	// Time is when the fact came to be, in UTC with millisecond precision.
	Time        time.Time
	JobID       string
	Tenant      string
	TraceParent string
	TraceState  string
	// Data is the JSON object that belongs to the type.
	Data json.RawMessage
}

type wireEnvelope struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time,omitempty"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	JobID           string          `json:"jobid,omitempty"`
	Tenant          string          `json:"tenant,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"`
	TraceState      string          `json:"tracestate,omitempty"`
	Data            json.RawMessage `json:"data"`
}

// Encode returns the envelope as structured JSON. It fails when a required attribute is missing or the
// result is larger than MaxEnvelopeBytes (code message_too_large).
func (e Envelope) Encode() ([]byte, error) {
	if e.ID == "" || e.Source == "" || e.Type == "" || e.Time.IsZero() || len(e.Data) == 0 {
		return nil, fault.New(fault.CodeMessageMalformed, "message %q of type %q lacks id, source, type, time or data", e.ID, e.Type)
	}
	b, err := json.Marshal(wireEnvelope{
		SpecVersion: specVersion, ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject,
		Time: e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), DataContentType: "application/json",
		JobID: e.JobID, Tenant: e.Tenant, TraceParent: e.TraceParent, TraceState: e.TraceState, Data: e.Data,
	})
	if err != nil {
		return nil, fmt.Errorf("encode message %s: %w", e.ID, err)
	}
	if len(b) > MaxEnvelopeBytes {
		return nil, fault.New(fault.CodeMessageTooLarge, "message %s has %d bytes, more than %d", e.ID, len(b), MaxEnvelopeBytes)
	}
	return b, nil
}

// DecodeEnvelope reads a structured JSON envelope. Errors have the codes message_malformed,
// message_too_large or message_unsupported (another CloudEvents version, or a type that is not ours); all
// mean that the message is to be parked. The data is checked to be a JSON object and no further.
func DecodeEnvelope(b []byte) (Envelope, error) {
	if len(b) > MaxEnvelopeBytes {
		return Envelope{}, fault.New(fault.CodeMessageTooLarge, "the message has %d bytes, more than %d", len(b), MaxEnvelopeBytes)
	}
	var w wireEnvelope
	if err := json.Unmarshal(b, &w); err != nil {
		return Envelope{}, fault.Wrap(fault.CodeMessageMalformed, err, "the message is not a JSON envelope")
	}
	if w.SpecVersion != specVersion || !strings.HasPrefix(w.Type, typePrefix) {
		return Envelope{}, fault.New(fault.CodeMessageUnsupported, "CloudEvents version %.10q, type %.100q", w.SpecVersion, w.Type)
	}
	if w.ID == "" || w.Source == "" {
		return Envelope{}, fault.New(fault.CodeMessageMalformed, "the envelope lacks id or source")
	}
	if d := bytes.TrimSpace(w.Data); len(d) == 0 || d[0] != '{' {
		return Envelope{}, fault.New(fault.CodeMessageMalformed, "the envelope's data is not a JSON object")
	}
	at, err := time.Parse(time.RFC3339Nano, w.Time)
	// In UTC a year can leave the four digits that RFC 3339 has.
	if err != nil || at.IsZero() || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return Envelope{}, fault.New(fault.CodeMessageMalformed, "the envelope's time is not an RFC 3339 instant")
	}
	return Envelope{ID: w.ID, Source: w.Source, Type: w.Type, Subject: w.Subject, Time: at.UTC(), JobID: w.JobID,
		Tenant: w.Tenant, TraceParent: w.TraceParent, TraceState: w.TraceState, Data: w.Data}, nil
}

// SplitType takes a message type apart: "reelmill.thumbnail.generate.v1" gives "thumbnail.generate" and
// 1. ok is false for anything of another shape.
func SplitType(t string) (name string, major int, ok bool) {
	rest, ok := strings.CutPrefix(t, typePrefix)
	dot := strings.LastIndex(rest, ".v")
	if !ok || dot <= 0 {
		return "", 0, false
	}
	major, err := strconv.Atoi(rest[dot+2:])
	if err != nil || major < 1 || strconv.Itoa(major) != rest[dot+2:] { // "+1" and "01" are no versions
		return "", 0, false
	}
	return rest[:dot], major, true
}
