// Package integration holds the tests of whole transcode steps on real ffmpeg: every operation as a worker
// carries it out, on real and on hostile films.
package integration
