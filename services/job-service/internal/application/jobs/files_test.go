package jobs_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// bench is a bench whose workers also transcode.
type bench struct {
	*jobstest.Bench
	t *testing.T
}

// film makes a job that transcodes and whose source is stored.
func (b bench) film() job.Job {
	b.t.Helper()
	c, err := b.Service.Create(b.t.Context(), tenant, "", nil, jobs.CreateRequest{
		Steps: []pipeline.Step{{Name: "video", Kind: contract.KindTranscode, Params: []byte(`{"formats":["hls","dash"]}`)}}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.PutObject(b.t, c.Job.Source.Key, "a film")
	if _, err := b.Service.CompleteUpload(b.t.Context(), tenant, c.Job.ID); err != nil {
		b.t.Fatal(err)
	}
	b.Advance(c.Job.ID)
	return c.Job
}

// succeed lets a worker record the result of a task, and stores its outputs.
func (b bench) succeed(j job.Job, step string, index int, r contract.TaskResult) {
	b.t.Helper()
	for i := range r.Outputs {
		o := &r.Outputs[i]
		o.Key, o.SHA256 = j.OutputPrefix()+"1-1/"+o.Path, strings.Repeat("ab", 32)
		content := "the content of " + o.Path
		o.SizeBytes = int64(len(content))
		b.PutObject(b.t, o.Key, content)
	}
	result, err := json.Marshal(r)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.Tasks.Update(b.t.Context(), task.ID(j.ID, step, index), func(t *task.Task) error {
		if err := t.Claim("worker/1", t.Attempt, time.Now(), time.Minute); err != nil {
			return err
		}
		return t.Succeed(t.Fence, result, time.Now())
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Advance(j.ID)
}

// encode lets workers encode the beginning of a film without sound: all of its one chunk.
func (b bench) encode(j job.Job) {
	b.t.Helper()
	b.succeed(j, "video-plan", 0, contract.TaskResult{Plan: &contract.TranscodePlan{Duration: contract.Seconds(4 * time.Second), Video: &contract.VideoPlan{
		Rungs:  []contract.Rung{{Name: "360p", Width: 640, Height: 360, MaxBitsPerSecond: 800_000, Codecs: "avc1.64001e"}},
		Chunks: []contract.Chunk{{Frames: 100, Cuts: []contract.Seconds{0}, End: contract.Seconds(4 * time.Second), FirstSegment: 1}}}}})
	b.succeed(j, "video-chunks", 0, contract.TaskResult{Outputs: []contract.Output{
		{Path: "video/360p/init.mp4", Kind: contract.OutputInit, MediaType: contract.MediaTypeMP4},
		{Path: "video/360p/c000/00001.m4s", Kind: contract.OutputSegment, MediaType: contract.MediaTypeSegment,
			Segment: &contract.Segment{Rendition: "360p", Number: 1, Duration: contract.Seconds(4 * time.Second)}}}})
}

// finish lets workers do the rest.
func (b bench) finish(j job.Job) {
	b.t.Helper()
	b.succeed(j, "video-package", 0, contract.TaskResult{Outputs: []contract.Output{
		{Path: "video/360p/index.m3u8", Kind: contract.OutputPlaylist, MediaType: contract.MediaTypeHLS},
		{Path: "video/manifest.mpd", Kind: contract.OutputDASH, MediaType: contract.MediaTypeDASH},
		{Path: "video/master.m3u8", Kind: contract.OutputMultivariant, MediaType: contract.MediaTypeHLS}}})
	b.succeed(j, "video-verify", 0, contract.TaskResult{})
	if got := b.Load(j.ID); got.State != job.Completed {
		b.t.Fatalf("the job is %s: %+v", got.State, got.Error)
	}
}

func TestAFilmIsWatchedUnderTheSamePathsBeforeAndAfterItIsCompleted(t *testing.T) {
	b := bench{jobstest.New(t, jobstest.Config{}), t}
	j := b.film()
	_, err := b.Service.File(t.Context(), tenant, j.ID, "video/master.m3u8")
	hasCode(t, err, fault.CodeFileNotFound)
	b.encode(j)
	look := func(provisional bool) {
		t.Helper()
		for _, path := range []string{"video/master.m3u8", "video/360p/index.m3u8"} {
			f, err := b.Service.File(t.Context(), tenant, j.ID, path)
			if err != nil || f.Provisional != provisional || f.Download != nil || f.Output.MediaType != contract.MediaTypeHLS || strings.HasPrefix(string(f.Content), "#EXTM3U") != provisional {
				t.Errorf("%s = %+v, %v", path, f, err)
			}
		}
		for _, path := range []string{"video/360p/init.mp4", "video/360p/c000/00001.m4s"} {
			f, err := b.Service.File(t.Context(), tenant, j.ID, path)
			if err != nil || f.Provisional != provisional || f.Download == nil || !strings.Contains(f.Download.URL, path) {
				t.Errorf("%s = %+v, %v", path, f, err)
			}
		}
		_, err := b.Service.File(t.Context(), "rival", j.ID, "video/master.m3u8")
		hasCode(t, err, fault.CodeJobNotFound)
	}
	look(true)
	b.finish(j)
	look(false)
	if f, err := b.Service.File(t.Context(), tenant, j.ID, "video/manifest.mpd"); err != nil || string(f.Content) != "the content of video/manifest.mpd" {
		t.Errorf("the DASH manifest is %+v, %v", f, err)
	}
}

func TestAPreviewIsGoneWithItsJob(t *testing.T) {
	b := bench{jobstest.New(t, jobstest.Config{}), t}
	j := b.film()
	b.encode(j)
	if _, err := b.Service.Cancel(t.Context(), tenant, j.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 { // compensating, then cancelled
		for _, path := range []string{"video/master.m3u8", "video/360p/c000/00001.m4s"} {
			_, err := b.Service.File(t.Context(), tenant, j.ID, path)
			hasCode(t, err, fault.CodeFileNotFound)
		}
		b.Advance(j.ID)
	}
}

func TestOutputsLeaveThePartsOfStreamsOutUnlessAskedFor(t *testing.T) {
	b := bench{jobstest.New(t, jobstest.Config{}), t}
	j := b.film()
	b.encode(j)
	b.finish(j)
	for segments, want := range map[bool][]string{
		false: {"video/360p/index.m3u8", "video/manifest.mpd", "video/master.m3u8"},
		true:  {"video/360p/c000/00001.m4s", "video/360p/index.m3u8", "video/360p/init.mp4", "video/manifest.mpd", "video/master.m3u8"},
	} {
		list, err := b.Service.Outputs(t.Context(), tenant, j.ID, jobs.Selection{Segments: segments})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range list {
			got = append(got, o.Path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("with segments %t: %q, want %q", segments, got, want)
		}
	}
}

func TestAFileThatWasDeletedWithItsJobIsNotServedFromMemory(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	j := b.Finish(b.Uploaded(tenant))
	if _, err := b.Service.File(t.Context(), tenant, j.ID, "thumbnails/poster.jpg"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Service.Delete(t.Context(), tenant, j.ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.Service.File(t.Context(), tenant, j.ID, "thumbnails/poster.jpg")
	hasCode(t, err, fault.CodeJobNotFound)
}

func TestAJobThatIsMadeAgainUnderItsKeyServesItsOwnFiles(t *testing.T) {
	b := bench{jobstest.New(t, jobstest.Config{}), t}
	complete := func(content string) string {
		c, err := b.Service.Create(t.Context(), tenant, "film-42", nil, jobs.CreateRequest{Pipeline: "thumbnail"})
		if err != nil || c.Replayed {
			t.Fatalf("Create = %+v, %v", c, err)
		}
		b.PutObject(t, c.Job.Source.Key, content)
		if _, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID); err != nil {
			t.Fatal(err)
		}
		b.Advance(c.Job.ID)
		b.succeed(c.Job, "thumbnails", 0, contract.TaskResult{Outputs: []contract.Output{{Path: "thumbnails/" + content, Kind: "poster", MediaType: "image/jpeg"}}})
		return c.Job.ID
	}
	first := complete("first")
	served := func(id, path string) error {
		_, err := b.Service.File(t.Context(), tenant, id, path)
		return err
	}
	if err := served(first, "thumbnails/first"); err != nil {
		t.Fatal(err)
	}
	forget(t, b.Bench, first)
	second := complete("second")
	if second != first {
		t.Fatalf("the key made jobs %s and %s", first, second)
	}
	if err := served(second, "thumbnails/second"); err != nil {
		t.Errorf("the file of the second job: %v", err)
	}
	hasCode(t, served(second, "thumbnails/first"), fault.CodeFileNotFound)
}

func TestAManifestIsReadOnceForManyFiles(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	j := b.Finish(b.Uploaded(tenant))
	if _, err := b.Service.Manifest(t.Context(), tenant, j.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.Blobs.Delete(t.Context(), j.ManifestKey); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := b.Service.File(t.Context(), tenant, j.ID, "thumbnails/poster.jpg"); err != nil {
			t.Error(err)
		}
	}
}

func withSubtitles() jobs.CreateRequest {
	return jobs.CreateRequest{Pipeline: pipeline.VOD, Subtitles: []jobs.SubtitleFile{
		{Language: "de", Label: "Deutsch", FileName: "../de.srt", SizeBytes: 9}, {Language: "en"}}}
}

func TestSubtitleFilesArePinnedWithTheSource(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	c, err := b.Service.Create(t.Context(), tenant, "", nil, withSubtitles())
	if err != nil || len(c.Subtitles) != 2 || c.Subtitles[0].Header["Content-Length"] != "9" {
		t.Fatalf("Create = %+v, %v", c, err)
	}
	prefix := "t/acme/j/" + c.Job.ID + "/subtitles/"
	want := []job.Sidecar{{Key: prefix + "0", FileName: "../de.srt", DeclaredBytes: 9, Language: "de", Label: "Deutsch"}, {Key: prefix + "1", Language: "en"}}
	if got := b.Load(c.Job.ID).Source.Subtitles; !slices.Equal(got, want) {
		t.Errorf("the job has the files %+v, want %+v", got, want)
	}
	complete := func() (job.Job, error) { return b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID) }
	refused := func(code fault.Code, index int) {
		t.Helper()
		_, err := complete()
		hasCode(t, err, code)
		if name := fmt.Sprintf("source.subtitles[%d]", index); !strings.Contains(fault.RecordOf(err).Detail, name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	b.Put(*c.Upload, "a film")
	refused(fault.CodeUploadMissing, 0)
	b.PutObject(t, prefix+"0", "1234")
	refused(fault.CodeSourceTruncated, 0)
	b.Put(c.Subtitles[0], "123456789")
	refused(fault.CodeUploadMissing, 1)
	b.PutObject(t, prefix+"1", strings.Repeat("x", jobs.MaxSubtitleBytes+1))
	refused(fault.CodeSourceTooLarge, 1)
	b.Put(c.Subtitles[1], "1234567")
	j, err := complete()
	if err != nil || j.State != job.Queued {
		t.Fatalf("CompleteUpload = %s, %v", j.State, err)
	}
	refs := j.Source.Sidecars()
	if len(refs) != 2 || refs[0].Key != prefix+"0" || refs[0].SizeBytes != 9 || refs[0].ETag == "" || refs[0].Label != "Deutsch" || refs[1].SizeBytes != 7 || refs[1].Language != "en" {
		t.Errorf("tasks get %+v", refs)
	}
	if err := b.Blobs.Delete(t.Context(), prefix+"1"); err != nil {
		t.Fatal(err)
	}
	if _, err := complete(); err != nil {
		t.Errorf("saying it again: %v", err)
	}
}

func TestASubtitleFileThatIsAnnouncedTooLargeIsRefused(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	r := withSubtitles()
	r.Subtitles[1].SizeBytes = jobs.MaxSubtitleBytes + 1
	_, err := b.Service.Create(t.Context(), tenant, "", nil, r)
	hasCode(t, err, fault.CodeSourceTooLarge)
}

func TestARetryKeepsTheSubtitleFiles(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	c, err := b.Service.Create(t.Context(), tenant, "", nil, withSubtitles())
	if err != nil {
		t.Fatal(err)
	}
	b.Put(*c.Upload, "a film")
	b.Put(c.Subtitles[0], "123456789")
	b.Put(c.Subtitles[1], "1234567")
	old, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Service.Cancel(t.Context(), tenant, old.ID); err != nil {
		t.Fatal(err)
	}
	b.Advance(old.ID)
	again, err := b.Service.Retry(t.Context(), tenant, old.ID, "", nil)
	if err != nil || !slices.Equal(again.Job.Source.Subtitles, old.Source.Subtitles) || again.Job.State != job.Queued {
		t.Errorf("Retry = %+v, %v", again.Job.Source, err)
	}
	b.PutObject(t, old.Source.Subtitles[1].Key, "another")
	_, err = b.Service.Retry(t.Context(), tenant, old.ID, "", nil)
	hasCode(t, err, fault.CodeSourceGone)
}
