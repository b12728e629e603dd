package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of what one thumbnail task may ask for.
const (
	MaxPosters        = 10
	MaxStills         = 100
	MaxImageWidth     = 4096
	MinImageWidth     = 16
	MaxStillFiles     = 300
	MaxStoryboardTile = 1000
	// MaxSheetSide keeps sprite sheets decodable: JPEG ends at 65535 and WebP at 16383 pixels a side.
	MaxSheetSide = 16000
)

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	// Field is the path from where validation began, "posters[0].width".
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// ValidName reports whether s may name a step or a file: lower-case letters, digits, '-' and '_', at
// most 64, beginning with a letter or digit.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// WithDefaults returns a copy with every zero field set to its documented default.
func (p ThumbnailSets) WithDefaults() ThumbnailSets {
	p.Posters = slices.Clone(p.Posters)
	for i := range p.Posters {
		q := &p.Posters[i]
		if q.Name == "" {
			q.Name = "poster"
		}
		q.Width = orInt(q.Width, 1280)
		q.Formats = orFormats(q.Formats)
	}
	if p.Stills != nil {
		s := *p.Stills
		if len(s.Widths) == 0 {
			s.Widths = []int{640}
		}
		s.Formats = orFormats(s.Formats)
		p.Stills = &s
	}
	if p.Storyboard != nil {
		s := *p.Storyboard
		s.MaxTiles, s.TileWidth = orInt(s.MaxTiles, 100), orInt(s.TileWidth, 160)
		s.Columns, s.Rows = orInt(s.Columns, 10), orInt(s.Rows, 10)
		if s.Format == "" {
			s.Format = JPEG
		}
		p.Storyboard = &s
	}
	return p
}

func orInt(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

func orFormats(f []ImageFormat) []ImageFormat {
	if len(f) == 0 {
		return []ImageFormat{JPEG}
	}
	return f
}

// Validate returns everything that is wrong with p (which has its defaults set), nil where nothing is.
func (p ThumbnailSets) Validate() []FieldError {
	var c checker
	c.check(len(p.Posters) > 0 || p.Stills != nil || p.Storyboard != nil, "", "ask for posters, stills or a storyboard")
	c.check(len(p.Posters) <= MaxPosters, "posters", "want at most %d, got %d", MaxPosters, len(p.Posters))
	names := map[string]bool{"storyboard": true}
	for i, q := range p.Posters {
		at := fmt.Sprintf("posters[%d]", i)
		c.check(ValidName(q.Name), at+".name", "want lower-case letters, digits, '-' and '_', at most 64, got %.80q", q.Name)
		c.check(!names[q.Name] && !reserved(q.Name), at+".name", "%q is taken", q.Name)
		names[q.Name] = true
		c.width(at+".width", q.Width)
		c.formats(at+".formats", q.Formats)
		if t, ok := q.At.Time(); ok {
			c.check(t >= 0 && t.Duration() <= 1000*time.Hour, at+".at", "want 0 seconds or more")
		}
		if h, ok := q.At.Percent(); ok {
			c.check(h >= 0 && h <= 10000, at+".at", "want 0%% to 100%%")
		}
	}
	if s := p.Stills; s != nil {
		c.check(s.Count >= 1 && s.Count <= MaxStills, "stills.count", "want 1 to %d, got %d", MaxStills, s.Count)
		for i, w := range s.Widths {
			c.width(fmt.Sprintf("stills.widths[%d]", i), w)
			c.check(!slices.Contains(s.Widths[:i], w), fmt.Sprintf("stills.widths[%d]", i), "%d stands twice", w)
		}
		c.formats("stills.formats", s.Formats)
		files := s.Count * len(s.Widths) * len(s.Formats)
		c.check(files <= MaxStillFiles, "stills", "count, widths and formats make %d files, more than %d", files, MaxStillFiles)
	}
	if s := p.Storyboard; s != nil {
		c.storyboard(*s)
	}
	return c.errs
}

// reserved reports whether the name might be that of a still or a sprite sheet, which are numbered.
func reserved(name string) bool {
	return strings.HasPrefix(name, "still-") || strings.HasPrefix(name, "storyboard-")
}

type checker struct{ errs []FieldError }

func (c *checker) check(ok bool, field, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, FieldError{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) width(field string, w int) {
	c.check(w >= MinImageWidth && w <= MaxImageWidth, field, "want %d to %d pixels, got %d", MinImageWidth, MaxImageWidth, w)
}

func (c *checker) formats(field string, formats []ImageFormat) {
	for i, f := range formats {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.format(at, f)
		c.check(!slices.Contains(formats[:i], f), at, "%s stands twice", f)
	}
}

func (c *checker) format(field string, f ImageFormat) {
	c.check(f == JPEG || f == WebP || f == PNG, field, "want jpeg, webp or png, got %.20q", string(f))
}

func (c *checker) storyboard(s Storyboard) {
	c.check(s.Interval >= 0 && s.Interval.Duration() <= time.Hour, "storyboard.interval_seconds", "want 0 to 3600")
	c.check(s.MaxTiles >= 1 && s.MaxTiles <= MaxStoryboardTile, "storyboard.max_tiles", "want 1 to %d, got %d", MaxStoryboardTile, s.MaxTiles)
	c.check(s.TileWidth >= MinImageWidth && s.TileWidth <= 640, "storyboard.tile_width", "want %d to 640, got %d", MinImageWidth, s.TileWidth)
	c.check(s.Columns >= 1 && s.Columns <= 50, "storyboard.columns", "want 1 to 50, got %d", s.Columns)
	c.check(s.Rows >= 1 && s.Rows <= 50, "storyboard.rows", "want 1 to 50, got %d", s.Rows)
	c.check(s.Columns*s.TileWidth <= MaxSheetSide, "storyboard", "columns times tile_width exceed %d pixels", MaxSheetSide)
	c.format("storyboard.format", s.Format)
}
