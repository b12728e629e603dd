package contract_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

const minimal = `{"specversion":"1.0","id":"i","source":"/s","type":"reelmill.thumbnail.generate.v1","time":"2026-02-03T04:05:06.789Z","data":{"task_id":"t","attempt":1}}`

func TestDecodeEnvelopeIgnoresFieldsThatItDoesNotKnow(t *testing.T) {
	later := strings.Replace(minimal, `"data":{`, `"newextension":["x"],"dataschema":"urn:y","data":{"later":{"a":1},`, 1)
	got, err := contract.DecodeEnvelope([]byte(later))
	if err != nil {
		t.Fatal(err)
	}
	d, err := contract.DecodeCommand(contract.KindThumbnail, got)
	if err != nil || d != (contract.RunTask{TaskID: "t", Attempt: 1}) {
		t.Errorf("DecodeCommand = %+v, %v", d, err)
	}
}

func TestDecodeEnvelopeReadsInstantsOfAllZones(t *testing.T) {
	got, err := contract.DecodeEnvelope([]byte(strings.Replace(minimal, "04:05:06.789Z", "05:05:06.789123456+01:00", 1)))
	want := time.Date(2026, 2, 3, 4, 5, 6, 789_123_456, time.UTC)
	if err != nil || got.Time != want {
		t.Errorf("Time = %v, %v; want %v", got.Time, err, want)
	}
}

func TestDecodeEnvelopeRefuses(t *testing.T) {
	replace := func(old, with string) string { return strings.Replace(minimal, old, with, 1) }
	for name, tc := range map[string]struct {
		body string
		want fault.Code
	}{
		"nothing":                       {"", fault.CodeMessageMalformed},
		"no JSON":                       {"specversion: 1.0", fault.CodeMessageMalformed},
		"another JSON value":            {`[1]`, fault.CodeMessageMalformed},
		"a number for a text":           {replace(`"id":"i"`, `"id":7`), fault.CodeMessageMalformed},
		"more after the envelope":       {minimal + "{}", fault.CodeMessageMalformed},
		"an older CloudEvents":          {replace(`"1.0"`, `"0.3"`), fault.CodeMessageUnsupported},
		"no version":                    {`{}`, fault.CodeMessageUnsupported},
		"a foreign type":                {replace("reelmill.", "com.example."), fault.CodeMessageUnsupported},
		"no id":                         {replace(`"id":"i"`, `"id":""`), fault.CodeMessageMalformed},
		"no source":                     {replace(`"source":"/s",`, ""), fault.CodeMessageMalformed},
		"no data":                       {replace(`,"data":{"task_id":"t","attempt":1}`, ""), fault.CodeMessageMalformed},
		"null data":                     {replace(`{"task_id":"t","attempt":1}`, "null"), fault.CodeMessageMalformed},
		"data that is a list":           {replace(`{"task_id":"t","attempt":1}`, " [1]"), fault.CodeMessageMalformed},
		"no time":                       {replace(`"time":"2026-02-03T04:05:06.789Z",`, ""), fault.CodeMessageMalformed},
		"a time that is none":           {replace("2026-02-03T04", "2026-02-30T04"), fault.CodeMessageMalformed},
		"a time without zone":           {replace("06.789Z", "06.789"), fault.CodeMessageMalformed},
		"the zero time":                 {replace("2026-02-03T04:05:06.789Z", "0001-01-01T00:00:00Z"), fault.CodeMessageMalformed},
		"a time in the year 10000":      {replace("2026-02-03T04:05:06.789Z", "9999-12-31T23:59:59-23:00"), fault.CodeMessageMalformed},
		"a time before the first year":  {replace("2026-02-03T04:05:06.789Z", "0000-01-01T00:00:00Z"), fault.CodeMessageMalformed},
		"a byte more than the largest":  {minimal + strings.Repeat(" ", contract.MaxEnvelopeBytes-len(minimal)+1), fault.CodeMessageTooLarge},
		"invalid UTF-8 instead of JSON": {"\xff\xfe", fault.CodeMessageMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := contract.DecodeEnvelope([]byte(tc.body))
			if err == nil || fault.CodeOf(err) != tc.want || fault.ClassOf(err) != fault.Invalid {
				t.Errorf("DecodeEnvelope = %+v, %v; want an error of code %s and class invalid", got, err, tc.want)
			}
			if !reflect.DeepEqual(got, contract.Envelope{}) {
				t.Errorf("DecodeEnvelope returned %+v beside an error", got)
			}
		})
	}
	if _, err := contract.DecodeEnvelope([]byte(minimal + strings.Repeat(" ", contract.MaxEnvelopeBytes-len(minimal)))); err != nil {
		t.Errorf("the largest envelope is refused: %v", err)
	}
}

func TestErrorsOfDecodeEnvelopeShowLittleOfTheMessage(t *testing.T) {
	_, err := contract.DecodeEnvelope([]byte(`{"specversion":"1.0","type":"` + strings.Repeat("x", 10_000) + `"}`))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("error has %d bytes: %.400v", len(err.Error()), err)
	}
}

func TestEncodeRefusesWhatIsNotWhole(t *testing.T) {
	whole := contract.Envelope{ID: "i", Source: "/s", Type: "reelmill.x.v1", Time: at, Data: json.RawMessage(`{}`)}
	if _, err := whole.Encode(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*contract.Envelope)
		want   fault.Code
	}{
		"no id":     {func(e *contract.Envelope) { e.ID = "" }, fault.CodeMessageMalformed},
		"no source": {func(e *contract.Envelope) { e.Source = "" }, fault.CodeMessageMalformed},
		"no type":   {func(e *contract.Envelope) { e.Type = "" }, fault.CodeMessageMalformed},
		"no time":   {func(e *contract.Envelope) { e.Time = time.Time{} }, fault.CodeMessageMalformed},
		"no data":   {func(e *contract.Envelope) { e.Data = nil }, fault.CodeMessageMalformed},
		"too large": {func(e *contract.Envelope) {
			e.Data = json.RawMessage(`{"a":"` + strings.Repeat("x", contract.MaxEnvelopeBytes) + `"}`)
		}, fault.CodeMessageTooLarge},
	} {
		e := whole
		tc.change(&e)
		if b, err := e.Encode(); b != nil || fault.CodeOf(err) != tc.want {
			t.Errorf("%s: Encode = %d bytes, %v; want code %s", name, len(b), err, tc.want)
		}
	}
	whole.Data = json.RawMessage(`{"broken"`)
	if _, err := whole.Encode(); err == nil {
		t.Error("data that is not JSON was encoded")
	}
}

func TestSplitType(t *testing.T) {
	for in, want := range map[string]struct {
		name  string
		major int
	}{
		"reelmill.thumbnail.generate.v1":  {"thumbnail.generate", 1},
		"reelmill.thumbnail.generate.v12": {"thumbnail.generate", 12},
		"reelmill.a.v1.v2":                {"a.v1", 2},
		"reelmill.job.completed.v1":       {"job.completed", 1},
		"":                                {}, "reelmill": {}, "reelmill.": {}, "reelmill.v1": {}, "reelmill..v1": {},
		"reelmill.a": {}, "reelmill.a.v": {}, "reelmill.a.v0": {}, "reelmill.a.v-1": {}, "reelmill.a.v+1": {}, "reelmill.a.v01": {},
		"reelmill.a.v1x": {}, "reelmill.a.v99999999999999999999": {}, "com.example.a.v1": {}, "Reelmill.a.v1": {}, " reelmill.a.v1": {},
	} {
		name, major, ok := contract.SplitType(in)
		if name != want.name || major != want.major || ok != (want.major > 0) {
			t.Errorf("SplitType(%q) = %q, %d, %t; want %q, %d", in, name, major, ok, want.name, want.major)
		}
	}
}

// FuzzDecode feeds the decoders what a broken or hostile sender might. They must not panic, must classify
// every error, and what they accept must be the same after it was encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, b := range goldens(f) {
		f.Add(b)
	}
	f.Add([]byte(minimal))
	f.Add([]byte(strings.Replace(minimal, "04:05:06.789Z", "04:05:06.7891+23:59", 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		env, err := contract.DecodeEnvelope(b)
		if err != nil {
			mustBeParked(t, err)
			return
		}
		for _, k := range contract.Kinds() {
			if d, err := contract.DecodeCommand(k, env); err != nil {
				mustBeParked(t, err)
			} else if d.TaskID == "" || d.Attempt < 1 {
				t.Errorf("DecodeCommand accepted %+v", d)
			}
		}
		if d, err := contract.DecodeReply(env); err != nil {
			mustBeParked(t, err)
		} else if d.TaskID == "" || d.Attempt < 1 || d.Fence < 1 || env.JobID == "" {
			t.Errorf("DecodeReply accepted %+v", d)
		}
		if _, err := contract.DecodeCancel(env); err != nil {
			mustBeParked(t, err)
		}
		again, err := env.Encode()
		if fault.CodeOf(err) == fault.CodeMessageTooLarge {
			return // escaping made it longer
		}
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		back, err := contract.DecodeEnvelope(again)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v\n%s", err, again)
		}
		env.Time, env.Data, back.Data = env.Time.Truncate(time.Millisecond), nil, nil
		if !reflect.DeepEqual(back, env) {
			t.Errorf("decoded %+v, want %+v", back, env)
		}
	})
}

func mustBeParked(t *testing.T, err error) {
	t.Helper()
	switch code := fault.CodeOf(err); code {
	case fault.CodeMessageMalformed, fault.CodeMessageUnsupported, fault.CodeMessageTooLarge:
	default:
		t.Errorf("error %v has code %s, for which nobody parks a message", err, code)
	}
	if fault.ClassOf(err) != fault.Invalid {
		t.Errorf("error %v has class %v, so the message would come again", err, fault.ClassOf(err))
	}
}
