package ffmpegtest

import (
	"io"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// A scene divides the upright picture into regions and gives them a colour for every frame.
type scene interface {
	// region returns the number (below 256) of the region at a point of the upright picture. x and y lie
	// in [0, 1); aspect is the picture's width by its height.
	region(x, y, aspect float64) uint8
	// colours returns the colour of each region in frame n.
	colours(n int) [256]rgb
}

type rgb [3]byte

// painter writes the frames of a scene as raw RGB, as they are coded: turned back and squeezed, so
// that a player that respects the file's rotation and aspect shows the scene upright.
type painter struct {
	scene   scene
	regions []uint8
	frame   []byte
	rest    []byte // what is left to read of frame
	n, end  int
}

func newPainter(o Options) *painter {
	p := &painter{scene: numbers{}, end: o.Frames, regions: make([]uint8, 0, o.Size.Pixels())}
	if o.Content == ContentCompass {
		p.scene = compass{}
	}
	upright := media.Video{Coded: o.Size, SampleAspect: o.SampleAspect, Rotation: o.Rotation}.Display()
	aspect := float64(upright.Width) / float64(upright.Height)
	for row := range o.Size.Height {
		for column := range o.Size.Width {
			x := (float64(column) + 0.5) / float64(o.Size.Width)
			y := (float64(row) + 0.5) / float64(o.Size.Height)
			switch o.Rotation { // where the point comes to lie once the picture is turned clockwise
			case 90:
				x, y = 1-y, x
			case 180:
				x, y = 1-x, 1-y
			case 270:
				x, y = y, 1-x
			}
			p.regions = append(p.regions, p.scene.region(x, y, aspect))
		}
	}
	p.frame = make([]byte, 3*len(p.regions))
	return p
}

// Read returns the bytes of the frames, one after the other, and io.EOF after the last.
func (p *painter) Read(buf []byte) (int, error) {
	if len(p.rest) == 0 {
		if p.n == p.end {
			return 0, io.EOF
		}
		colours := p.scene.colours(p.n)
		for i, r := range p.regions {
			copy(p.frame[3*i:], colours[r][:])
		}
		p.rest = p.frame
		p.n++
	}
	n := copy(buf, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
