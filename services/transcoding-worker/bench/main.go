// Bench compares what the worker does with what a user would run instead, by processor time:
//
//	go run ./services/transcoding-worker/bench [ROW ...]
//
// A row runs ours and theirs in turn, A B A B, and reports the median of the ratios of user plus system time of
// the whole process trees, Go included. Outputs are checked before a time counts. The program fails where a row
// misses its target. Numbers of rows are those of the project's list of measurements; rows 3 and 5 to 9 are not
// of this program, and row 13 is a benchmark of package rabbit.
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/reelmill/reelmill/pkg/ffmpeg/paired"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
)

func main() {
	sandbox.Main()
	if len(os.Args) > 1 && os.Args[1] == encodeCommand {
		os.Exit(encodeChunks(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:]))
}

// row is one comparison.
type row struct {
	number, name string
	// measure returns a figure, and figures to be shown beside it.
	measure func(b *paired.Bench) (figure float64, remark string)
	// target bounds the figure, from above unless atLeast; 0: it is reported only.
	target  float64
	atLeast bool
}

func rows() []row {
	return []row{
		{number: "1", name: "a ladder of four rungs : four runs of ffmpeg, cpu", measure: againstFourRuns, target: 0.72},
		{number: "2", name: "a ladder of four rungs : one run, each from the source, cpu", measure: againstSplit, target: 1.00},
		{number: "4", name: "the worker's own cpu : that of its ffmpeg", measure: ownShare, target: 0.01},
		{number: "10", name: "media read and written to join chunks : concat -c copy, bytes", measure: joinBytes, target: 0.000001},
		{number: "11", name: "a film in chunks, a processor each : in one piece with both, cpu", measure: inChunks, target: 1.05},
		{number: "12", name: "two workers with a processor each : one with one, wall", measure: scaleOut},
		{number: "15", name: "cut sources and killed runs that were told from whole ones", measure: toldFromWhole, target: 1, atLeast: true},
		{number: "v", name: "verification : encoding, cpu", measure: verification, target: 0.30},
	}
}

// run runs the rows whose numbers are given, or all, and returns the exit status.
func run(only []string) int {
	b, closeBench := paired.New()
	defer closeBench()
	return b.Run(func() (status int) {
		fmt.Printf("%-66s %8s %8s  %-8s\n", "row", "figure", "target", "verdict")
		for _, r := range rows() {
			if len(only) > 0 && !slices.Contains(only, r.number) {
				continue
			}
			if !r.show(b) {
				status = 1
			}
		}
		return status
	})
}

// show measures the row, prints a line and returns whether the target is met.
func (r row) show(b *paired.Bench) bool {
	figure, remark := r.measure(b)
	target, verdict := "-", "reported"
	if r.target > 0 {
		target, verdict = strconv.FormatFloat(r.target, 'f', 2, 64), "met"
		if r.atLeast && figure < r.target || !r.atLeast && figure > r.target {
			verdict = "MISSED"
		}
	}
	fmt.Printf("%-66s %8.3f %8s  %-8s %s\n", r.number+" "+r.name, figure, target, verdict, remark)
	return verdict != "MISSED"
}
