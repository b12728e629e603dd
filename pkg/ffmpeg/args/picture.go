package args

// Deinterlace makes one progressive frame of the two fields of each frame, from that frame and those beside
// it.
func Deinterlace() Filter {
	return New("bwdif", opt("mode", "send_frame"), opt("parity", "auto"), opt("deint", "all"))
}

// ToneMap maps high dynamic range (transfer is "smpte2084" or "arib-std-b67") to the standard dynamic range
// of BT.709. It needs a build of ffmpeg with zscale. The properties of the input are named, since many files
// leave some out.
func ToneMap(transfer string) []Filter {
	return []Filter{
		New("zscale", opt("tin", transfer), opt("pin", "bt2020"), opt("min", "bt2020nc"), opt("t", "linear"), opt("npl", "100")),
		Format("gbrpf32le"),
		New("zscale", opt("p", "bt709")),
		New("tonemap", opt("tonemap", "hable"), opt("desat", "0")),
		New("zscale", opt("t", "bt709"), opt("m", "bt709"), opt("r", "tv")),
		Format("yuv420p"),
	}
}

// DropSideData removes what frames carry beside their picture: captions, light levels, the turn that has
// been made.
func DropSideData() Filter { return New("sidedata", opt("mode", "delete")) }

// Mirror exchanges left and right.
func Mirror() Filter { return New("hflip") }

// Turn returns the filters that turn a picture clockwise by 0, 90, 180 or 270 degrees.
func Turn(degrees int) []Filter {
	switch degrees {
	case 90:
		return []Filter{New("transpose", opt("dir", "clock"))}
	case 180:
		return []Filter{New("hflip"), New("vflip")}
	case 270:
		return []Filter{New("transpose", opt("dir", "cclock"))}
	}
	return nil
}
