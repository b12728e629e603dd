package media

import (
	"context"
	"fmt"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/pkg/ffmpeg/probe"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Inspector is the gate. It is safe for concurrent use.
type Inspector struct {
	prober *probe.Prober
	cfg    Config
}

// NewInspector returns an inspector that runs ffprobe and ffmpeg by run.
func NewInspector(run Runner, cfg Config) *Inspector {
	return &Inspector{prober: probe.New(run), cfg: cfg.withDefaults()}
}

// told are the notes that concern a user of renditions, with the codes and words that they are told by.
var told = []struct {
	note         probe.Note
	code, detail string
}{
	{probe.NoteHDR, "hdr_tonemapped", "the picture is brought to the standard dynamic range"},
	{probe.NoteInterlaced, "deinterlaced", "the fields of the source are joined into whole frames"},
	{probe.NoteAlpha, "alpha_dropped", "transparency is left out of the picture"},
	{probe.NoteVariableRate, "variable_rate", "the frames of the source are not evenly spaced; each keeps its time"},
	{probe.NoteHeaderLies, "header_lies", "the source declares another duration than it has"},
	{probe.NoteGaps, "packet_gaps", "a few packets of the source are missing"},
	{probe.NoteDamaged, "damaged", "a part of the source is missing or broken; this is what is left of it"},
}

// Inspect implements transcode.Inspector. Under the policy to salvage a source without evident damage is
// decoded once, since damage inside pictures and sound shows only then.
func (i *Inspector) Inspect(ctx context.Context, path string, p transcode.Policy) (transcode.Source, error) {
	policy := probe.Policy{
		MaxBytes: i.cfg.MaxBytes, MaxPixels: i.cfg.MaxPixels, MaxDuration: i.cfg.MaxDuration,
		NeedVideo: !p.AudioOnly, Salvage: p.Salvage, FrameTimes: !p.AudioOnly, SoundSpans: true,
	}
	rep, err := i.prober.Inspect(ctx, path, policy)
	if err != nil {
		return transcode.Source{}, err
	}
	if p.Salvage && !rep.Damaged {
		_, err := i.prober.Decode(ctx, path, rep, policy, i.cfg.Limits)
		if code := fault.CodeOf(err); err != nil && code != fault.CodeSourceCorrupt && code != fault.CodeSourceTruncated {
			return transcode.Source{}, err
		}
		if err != nil {
			rep.Damaged, rep.Notes = true, append(rep.Notes, probe.NoteDamaged)
		}
	}
	src := transcode.Source{Path: path, Info: rep.Info, Usable: usable(rep.Info), Damaged: rep.Damaged, Exact: rep.Indexed && seekable(rep.Info.Format), Whole: unordered(rep.Info)}
	src.Jumps = rep.Packets.ClockJumps && !src.Exact && !src.Whole
	if !p.AudioOnly {
		src.Times, src.End, src.Keyframes = rep.Packets.Times, rep.Packets.End, rep.Packets.Keyframes
	}
	src.Notes = notes(rep, p)
	return src, nil
}

// seekable reports whether a seek in such a container lands on the keyframe before an instant, if it has an
// index. In transport streams and the like it lands behind it.
func seekable(format string) bool {
	return strings.HasPrefix(format, "mov,") || strings.HasPrefix(format, "matroska")
}

// unordered reports whether frames are shown in another order than they are decoded in, and nothing says
// when: AVI files have times of decoding only, and from these nothing follows for the newer codecs.
func unordered(info media.Info) bool {
	v, ok := info.PrimaryVideo()
	return ok && info.Format == "avi" && (v.Codec == "h264" || v.Codec == "hevc")
}

// usable returns the indices of the audio streams that can be decoded and mixed down, and of the subtitle streams of
// text.
func usable(info media.Info) map[int]bool {
	all := map[int]bool{}
	for _, s := range info.Streams {
		switch {
		case s.Kind == media.KindAudio && s.Audio != nil && s.Audio.Channels > 0:
			all[s.Index] = args.Decodable(s.Codec) && mixable(*s.Audio)
		case s.Kind == media.KindSubtitle:
			all[s.Index] = args.IsText(s.Codec)
		}
	}
	return all
}

// mixable reports whether ffmpeg (5.1) can mix the channels down: it takes up to eight for the usual layout of that
// many, and 16 and 24, and of others has to be told where they belong.
func mixable(a media.Audio) bool {
	return a.Layout != "" || a.Channels <= 8 || a.Channels == 16 || a.Channels == 24
}

func notes(rep probe.Report, p transcode.Policy) []contract.Note {
	found := map[probe.Note]bool{}
	for _, n := range rep.Notes {
		found[n] = true
	}
	var notes []contract.Note
	for _, t := range told {
		if found[t.note] {
			notes = append(notes, contract.Note{Code: t.code, Detail: t.detail})
		}
	}
	ok := usable(rep.Info)
	var sound, subtitles int
	for _, s := range rep.Info.Streams {
		if s.Kind == media.KindAudio && !ok[s.Index] {
			sound++
		}
		if s.Kind == media.KindSubtitle && !ok[s.Index] {
			subtitles++
		}
	}
	if sound > 0 {
		notes = append(notes, contract.Note{Code: "audio_dropped", Detail: fmt.Sprintf("%d audio tracks cannot be decoded, or do not tell where their channels belong, and are left out", sound)})
	}
	if subtitles > 0 && !p.AudioOnly {
		notes = append(notes, contract.Note{Code: "subtitles_dropped", Detail: fmt.Sprintf("%d subtitle tracks are no text and are left out", subtitles)})
	}
	return notes
}
