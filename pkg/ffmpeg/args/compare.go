package args

import (
	"fmt"
	"slices"
	"strings"
)

// compare reads the arguments back and refuses them when they are not those of the plan: every input
// and output with all of its options, every filter, and for every stream of an output the filters that
// it passed on its way from an input.
func (p Plan) compare(args []string) error {
	r := reader{args: args}
	for _, in := range p.Inputs {
		r.options(sorted(in.options()))
		r.expect("-i", fileURL(in.Path))
	}
	var got graph
	if len(p.Graph) > 0 {
		r.expect("-filter_complex")
		var err error
		if got, err = parseGraph(r.next()); err != nil {
			return fmt.Errorf("%w: %w", errMismatch, err)
		}
	}
	want := p.graph()
	if len(got.filters) != len(want.filters) {
		return fmt.Errorf("%w: %d filters instead of %d", errMismatch, len(got.filters), len(want.filters))
	}
	for _, o := range p.Outputs {
		for _, pad := range o.From {
			r.expect("-map")
			if g, w := got.trace(r.next(), 0), want.trace(pad.String(), 0); g != w {
				return fmt.Errorf("%w: %s gets %s instead of %s", errMismatch, o.Path, g, w)
			}
		}
		r.expect("-f", o.Format)
		r.options(sorted(o.options()))
		r.expect(fileURL(o.Path))
	}
	if r.wrong != "" || len(r.args) > 0 {
		return fmt.Errorf("%w: at %q, with %d left", errMismatch, r.wrong, len(r.args))
	}
	return nil
}

// reader consumes arguments; wrong is the first that was not as expected.
type reader struct {
	args  []string
	wrong string
}

func (r *reader) next() string {
	if len(r.args) == 0 {
		return ""
	}
	a := r.args[0]
	r.args = r.args[1:]
	return a
}

func (r *reader) expect(want ...string) {
	for _, w := range want {
		if got := r.next(); got != w && r.wrong == "" {
			r.wrong = w
		}
	}
}

func (r *reader) options(opts []Option) {
	for _, o := range opts {
		r.expect("-" + o.Name)
		if o.Value != "" {
			r.expect(o.Value)
		}
	}
}

// node is one filter with what it takes and leads to, pads written as in "-map".
type node struct {
	text     string // name and options, without the graph's level of escaping
	from, to []string
}

type graph struct {
	filters []node
	maker   map[string]int // pad to the filter that leads to it
}

func newGraph(filters []node) graph {
	g := graph{filters: filters, maker: map[string]int{}}
	for i, f := range filters {
		for _, pad := range f.to {
			g.maker[pad] = i
		}
	}
	return g
}

// trace returns where a pad comes from, in a form that does not depend on labels. The depth is bounded,
// since what is read back need not be free of cycles.
func (g graph) trace(pad string, depth int) string {
	i, ok := g.maker[pad]
	if !ok || depth > maxNodes {
		return pad
	}
	f := g.filters[i]
	var from []string
	for _, p := range f.from {
		from = append(from, g.trace(p, depth+1))
	}
	return fmt.Sprintf("%s.%d(%s)", f.text, slices.Index(f.to, pad), strings.Join(from, " "))
}

// graph returns the plan's graph with a pad of its own between the filters of a chain.
func (p Plan) graph() graph {
	var fs []node
	for i, c := range p.Graph {
		var from []string
		for _, pad := range c.From {
			from = append(from, pad.String())
		}
		for j, f := range c.Filters {
			to := []string{fmt.Sprintf("[chain %d filter %d]", i, j)}
			text := f.text()
			if j == len(c.Filters)-1 {
				to = nil
				for _, label := range c.To {
					to = append(to, Label(label).String())
				}
			}
			if f.Name == "split" || f.Name == "asplit" {
				text = fmt.Sprintf("%s=%d", f.Name, len(to))
			}
			fs = append(fs, node{text: text, from: from, to: to})
			from = to
		}
	}
	return newGraph(fs)
}

// parseGraph reads the text of a filter graph, undoing the graph's level of escaping.
func parseGraph(s string) (graph, error) {
	var fs []node
	for s != "" {
		var f node
		var err error
		if f.from, s, err = parsePads(s); err != nil {
			return graph{}, err
		}
		if f.text, s, err = parseToken(s); err != nil {
			return graph{}, err
		}
		if f.to, s, err = parsePads(s); err != nil {
			return graph{}, err
		}
		if s != "" && s[0] != ';' {
			return graph{}, fmt.Errorf("%q between filters", s[:1])
		}
		s = strings.TrimPrefix(s, ";")
		fs = append(fs, f)
	}
	return newGraph(fs), nil
}

// parsePads reads "[a][b]". Streams of inputs are returned as "0:v:0", labels with their brackets.
func parsePads(s string) (pads []string, rest string, err error) {
	for strings.HasPrefix(s, "[") {
		name, after, ok := strings.Cut(s[1:], "]")
		if !ok {
			return nil, "", fmt.Errorf("no end of %q", s)
		}
		if !strings.Contains(name, ":") {
			name = "[" + name + "]"
		}
		pads, s = append(pads, name), after
	}
	return pads, s, nil
}

// parseToken reads up to the next character that ends a filter and was not escaped.
func parseToken(s string) (token, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return "", "", fmt.Errorf("%q ends in an escape", s)
			}
			b.WriteByte(s[i])
		case '[', ']', ',', ';':
			return b.String(), s[i:], nil
		case '\'':
			return "", "", fmt.Errorf("%q holds a bare quote", s)
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", nil
}
