// Package probe is the gate that every source passes before any work is done on it. Inspect tells
// whether the file is what the job can use, in the vocabulary of package fault, and if so everything
// that planning needs to know.
//
// It looks in this order, cheapest first: size, the first bytes, the boxes of MP4 files or the header
// of Matroska files, ffprobe behind the flags of package args, and the packet index of the primary
// video stream. Nothing is decoded but what ffprobe needs to know a stream's parameters, so damage
// inside a picture shows only to Decode.
package probe
