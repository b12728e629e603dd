package contract_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

var record = flag.Bool("record", false, "write golden files of messages that have none yet; those that exist are never changed")

// at is when all messages of these tests are sent. It has more digits than an envelope keeps.
var at = time.Date(2026, 2, 3, 4, 5, 6, 789_123_456, time.UTC)

const (
	jobID  = "0199a3a0-6f4e-7d30-9d0c-3b6f6f6c6a10"
	tenant = "acme"
)

func taskID(k contract.Kind) string { return jobID + "/" + string(k) + "/0" }

// jobStates are the states that public events tell of.
var jobStates = []string{"awaiting_upload", "queued", "processing", "compensating", "completed", "failed", "cancelled"}

// released returns one message of every type that is sent, by the name of its golden file.
func released() map[string]contract.Envelope {
	const service, worker = "/reelmill/job-service", "/reelmill/worker"
	broken := &fault.Record{Code: fault.CodeSourceCorrupt, Class: "invalid", Detail: "the source is damaged <at> 00:01"}
	all := map[string]contract.Envelope{
		"task.cancel.job":  contract.NewCancel(service, jobID, tenant, contract.CancelTasks{}, at),
		"task.cancel.step": contract.NewCancel(service, jobID, tenant, contract.CancelTasks{Step: "thumbnail"}, at),
	}
	for _, k := range contract.Kinds() {
		taskID := taskID(k)
		reply := contract.TaskReply{TaskID: taskID, Step: "thumbnail", Attempt: 2, Fence: 3}
		all[string(k)+".command"] = contract.NewCommand(k, service, jobID, tenant, contract.RunTask{TaskID: taskID, Attempt: 2}, at)
		all[string(k)+".started"] = contract.NewStarted(k, worker, jobID, tenant, reply, at)
		all[string(k)+".completed"] = contract.NewReply(k, worker, jobID, tenant, reply, at)
		reply.Error, reply.Fence = broken, 4
		all[string(k)+".failed"] = contract.NewReply(k, worker, jobID, tenant, reply, at)
	}
	for i, s := range jobStates {
		e := contract.JobEvent{State: s, Sequence: int64(i + 1), MediaID: "film-42", Metadata: map[string]string{"b": "2", "album": "holiday"}}
		switch s {
		case "completed":
			e.Manifest = "t/acme/j/" + jobID + "/manifest/1.json"
		case "failed":
			e.Error = broken
		}
		env := contract.NewJobEvent(service, jobID, tenant, e, at)
		env.TraceParent, env.TraceState = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1"
		all["job."+s] = env
	}
	return all
}

func goldens(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "messages", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	all := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(p), ".json")] = b
	}
	return all
}

func TestMessagesAreEncodedAsInTheirGoldenFiles(t *testing.T) {
	for name, env := range released() {
		got, err := env.Encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := filepath.Join("testdata", "messages", name+".json")
		if _, err := os.Stat(path); *record && os.IsNotExist(err) {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s has no golden file (go test -record writes it): %v", name, err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is encoded as\n%s\nwant\n%s", name, got, want)
		}
	}
}

// Whatever was sent once may still lie in a queue, so it must be understood for ever, also when no
// code here sends it any more.
func TestEveryGoldenFileEverDecodes(t *testing.T) {
	now := released()
	for name, b := range goldens(t) {
		env, err := contract.DecodeEnvelope(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := decodeData(env); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if sent, ok := now[name]; ok {
			sent.Time = sent.Time.Truncate(time.Millisecond)
			sent.Data = compact(t, sent.Data)
			if !reflect.DeepEqual(env, sent) {
				t.Errorf("%s is decoded as\n%+v\nwant\n%+v", name, env, sent)
			}
		}
	}
}

// compact returns JSON as Envelope.Encode writes it.
func compact(t *testing.T, b json.RawMessage) json.RawMessage {
	t.Helper()
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// decodeData decodes an envelope's data by whoever of us takes such messages; public events are checked
// against the type that outsiders are told of.
func decodeData(env contract.Envelope) error {
	name, major, ok := contract.SplitType(env.Type)
	if !ok || major != 1 {
		return fmt.Errorf("type %q is not one of ours", env.Type)
	}
	if strings.HasPrefix(name, "job.") {
		var e contract.JobEvent
		d := json.NewDecoder(bytes.NewReader(env.Data))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil || e.Sequence < 1 || contract.JobEventType(e.State) != env.Type {
			return fmt.Errorf("event %+v of type %s: %w", e, env.Type, err)
		}
		return nil
	}
	if env.Type == contract.TypeTaskCancel {
		_, err := contract.DecodeCancel(env)
		return err
	}
	for _, k := range contract.Kinds() {
		if env.Type == k.CommandType() {
			_, err := contract.DecodeCommand(k, env)
			return err
		}
	}
	_, err := contract.DecodeReply(env)
	return err
}

func TestDecodersReturnWhatWasSent(t *testing.T) {
	all := released()
	for _, k := range contract.Kinds() {
		command, err := contract.DecodeCommand(k, all[string(k)+".command"])
		if want := (contract.RunTask{TaskID: taskID(k), Attempt: 2}); err != nil || command != want {
			t.Errorf("DecodeCommand(%s) = %+v, %v; want %+v", k, command, err, want)
		}
		want := contract.TaskReply{TaskID: taskID(k), Step: "thumbnail", Attempt: 2, Fence: 3}
		for _, name := range []string{".started", ".completed"} {
			if got, err := contract.DecodeReply(all[string(k)+name]); err != nil || got != want {
				t.Errorf("DecodeReply(%s) = %+v, %v; want %+v", name, got, err, want)
			}
		}
		got, err := contract.DecodeReply(all[string(k)+".failed"])
		if err != nil || got.Error == nil || *got.Error != (fault.Record{Code: "source_corrupt", Class: "invalid", Detail: "the source is damaged <at> 00:01"}) {
			t.Errorf("DecodeReply(failed) = %+v, %v", got, err)
		}
	}
	if got, err := contract.DecodeCancel(all["task.cancel.step"]); err != nil || got.Step != "thumbnail" {
		t.Errorf("DecodeCancel = %+v, %v", got, err)
	}
}

func TestTheSameFactHasTheSameIDAndAnotherHasAnother(t *testing.T) {
	ids := map[string]string{}
	for name, env := range released() {
		if other, taken := ids[env.ID]; taken {
			t.Errorf("%s and %s have the id %s", name, other, env.ID)
		}
		ids[env.ID] = name
	}
	hint := contract.RunTask{TaskID: taskID(contract.KindThumbnail), Attempt: 1}
	first := contract.NewCommand(contract.KindThumbnail, "/a", jobID, tenant, hint, at)
	again := contract.NewCommand(contract.KindThumbnail, "/a", jobID, tenant, hint, at.Add(time.Hour))
	if first.ID != again.ID {
		t.Error("a hint that is sent again has another id")
	}
	hint.Attempt++
	if next := contract.NewCommand(contract.KindThumbnail, "/a", jobID, tenant, hint, at); next.ID == first.ID {
		t.Error("the hint for the next attempt has the same id")
	}
}

func TestDecodersRefuseWhatTheyDoNotUnderstand(t *testing.T) {
	valid := released()
	alter := func(name string, change func(*contract.Envelope)) contract.Envelope {
		e := valid[name]
		change(&e)
		return e
	}
	data := func(s string) func(*contract.Envelope) {
		return func(e *contract.Envelope) { e.Data = json.RawMessage(s) }
	}
	command := func(e contract.Envelope) error {
		_, err := contract.DecodeCommand(contract.KindThumbnail, e)
		return err
	}
	reply := func(e contract.Envelope) error { _, err := contract.DecodeReply(e); return err }
	cancel := func(e contract.Envelope) error { _, err := contract.DecodeCancel(e); return err }
	for name, tc := range map[string]struct {
		decode func(contract.Envelope) error
		env    contract.Envelope
		want   fault.Code
	}{
		"a newer command":                  {command, alter("thumbnail.command", func(e *contract.Envelope) { e.Type = "reelmill.thumbnail.generate.v2" }), fault.CodeMessageUnsupported},
		"a command for other workers":      {command, valid["transcode.command"], fault.CodeMessageUnsupported},
		"a reply as a command":             {command, valid["thumbnail.completed"], fault.CodeMessageUnsupported},
		"a command without task":           {command, alter("thumbnail.command", data(`{"attempt":1}`)), fault.CodeMessageMalformed},
		"a command for attempt 0":          {command, alter("thumbnail.command", data(`{"task_id":"t"}`)), fault.CodeMessageMalformed},
		"a command of other data":          {command, alter("thumbnail.command", data(`{"task_id":7,"attempt":1}`)), fault.CodeMessageMalformed},
		"a newer reply":                    {reply, alter("thumbnail.completed", func(e *contract.Envelope) { e.Type = "reelmill.thumbnail.completed.v2" }), fault.CodeMessageUnsupported},
		"a command as a reply":             {reply, valid["thumbnail.command"], fault.CodeMessageUnsupported},
		"a reply of unknown workers":       {reply, alter("thumbnail.completed", func(e *contract.Envelope) { e.Type = "reelmill.narrate.completed.v1" }), fault.CodeMessageUnsupported},
		"a reply without job":              {reply, alter("thumbnail.completed", func(e *contract.Envelope) { e.JobID = "" }), fault.CodeMessageMalformed},
		"a reply without fence":            {reply, alter("thumbnail.completed", data(`{"task_id":"t","attempt":1}`)), fault.CodeMessageMalformed},
		"a reply without attempt":          {reply, alter("thumbnail.completed", data(`{"task_id":"t","fence":1}`)), fault.CodeMessageMalformed},
		"a reply without task":             {reply, alter("thumbnail.completed", data(`{"attempt":1,"fence":1}`)), fault.CodeMessageMalformed},
		"a reply whose fence is no number": {reply, alter("thumbnail.completed", data(`{"task_id":"t","attempt":1,"fence":"1"}`)), fault.CodeMessageMalformed},
		"a newer cancel":                   {cancel, alter("task.cancel.job", func(e *contract.Envelope) { e.Type = "reelmill.task.cancel.v2" }), fault.CodeMessageUnsupported},
		"a cancel without job":             {cancel, alter("task.cancel.job", func(e *contract.Envelope) { e.JobID = "" }), fault.CodeMessageMalformed},
		"a cancel of other data":           {cancel, alter("task.cancel.job", data(`{"step":[]}`)), fault.CodeMessageMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.decode(tc.env)
			if err == nil || fault.CodeOf(err) != tc.want || fault.ClassOf(err) != fault.Invalid {
				t.Errorf("error = %v of class %v, want code %s of class invalid", err, fault.ClassOf(err), tc.want)
			}
		})
	}
}
