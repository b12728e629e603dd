package cli

import (
	"fmt"
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/reelmill/reelmill/services/standalone/internal/client"
)

// progress shows how far a job is. Its methods are called by one goroutine, but for the writer of upload,
// which may be written to by another.
type progress interface {
	// upload announces the upload of so many bytes; what goes through the writer is counted as sent.
	upload(bytes int64) io.Writer
	// show shows the state of the job and its steps.
	show(j client.Job)
	// end completes what is shown; nothing is called after it. It may be called again.
	end()
}

// newProgress shows bars to a person, lines to anything else, and nothing where quiet is set.
func newProgress(env *environment, quiet bool) progress {
	switch {
	case quiet:
		return silent{}
	case env.terminal:
		return &bars{p: mpb.New(mpb.WithOutput(env.stdout), mpb.WithWidth(60)), steps: map[string]*bar{}}
	default:
		return &lines{w: env.stdout, told: map[string]told{}}
	}
}

type silent struct{}

func (silent) upload(int64) io.Writer { return io.Discard }
func (silent) show(client.Job)        {}
func (silent) end()                   {}

// lineStep is by how many percent a step must have advanced for another line.
const lineStep = 10

type told struct {
	state   string
	percent float64
}

// lines writes a line for every change of state, and for every tenth of a step.
type lines struct {
	w    io.Writer
	told map[string]told
}

func (l *lines) upload(bytes int64) io.Writer {
	fmt.Fprintf(l.w, "upload: %s\n", humanBytes(bytes))
	return io.Discard
}

func (l *lines) show(j client.Job) {
	if before := l.told[""]; before.state != j.State {
		l.told[""] = told{state: j.State}
		fmt.Fprintf(l.w, "job: %s\n", j.State)
	}
	for _, s := range j.Steps {
		before := l.told[s.Name]
		if s.State == before.state && s.Progress < before.percent+lineStep {
			continue
		}
		l.told[s.Name] = told{s.State, s.Progress}
		fmt.Fprintf(l.w, "%s: %s %.0f%%\n", s.Name, s.State, s.Progress)
	}
}

func (l *lines) end() {}

// bars draws a bar for the upload and one for every step.
type bars struct {
	p     *mpb.Progress
	sent  *mpb.Bar
	steps map[string]*bar
}

type bar struct {
	*mpb.Bar
	state chan string // holds the latest, for the goroutine that draws
}

const (
	nameWidth = 16
	// permille is the total of a step's bar: the API tells percents with one decimal.
	permille = 1000
)

func (b *bars) upload(bytes int64) io.Writer {
	b.sent = b.p.AddBar(bytes, mpb.PrependDecorators(decor.Name("upload", decor.WC{W: nameWidth, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			return " " + humanBytes(s.Current) + " of " + humanBytes(s.Total)
		})))
	return barWriter{b.sent}
}

type barWriter struct{ bar *mpb.Bar }

func (w barWriter) Write(p []byte) (int, error) {
	w.bar.IncrBy(len(p))
	return len(p), nil
}

func (b *bars) show(j client.Job) {
	if b.sent != nil && j.State != "awaiting_upload" {
		b.sent.SetTotal(-1, true)
	}
	for _, s := range j.Steps {
		at := b.steps[s.Name]
		if at == nil {
			at = b.addStep(s.Name)
			b.steps[s.Name] = at
		}
		select {
		case <-at.state:
		default:
		}
		at.state <- s.State
		// Full bars are final, so only success fills one.
		at.SetCurrent(min(int64(s.Progress*permille/100), permille-1))
		if s.State == "succeeded" {
			at.SetCurrent(permille)
		}
	}
}

func (b *bars) addStep(name string) *bar {
	at := &bar{state: make(chan string, 1)}
	state := ""
	at.Bar = b.p.AddBar(permille, mpb.PrependDecorators(decor.Name(name, decor.WC{W: nameWidth, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Percentage(decor.WC{W: 6}), decor.Any(func(decor.Statistics) string {
			select {
			case state = <-at.state:
			default:
			}
			return " " + state
		})))
	return at
}

func (b *bars) end() {
	if b.sent != nil {
		b.sent.Abort(false)
	}
	for _, s := range b.steps {
		s.Abort(false)
	}
	b.p.Wait()
}
