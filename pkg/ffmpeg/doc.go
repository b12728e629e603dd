// Package ffmpeg runs ffmpeg and ffprobe as children that can be trusted with files that cannot: each
// runs in its own process group, behind the limits of package sandbox, with an environment of three
// variables, and ends when its context, its clock or its parent does.
//
// Neighbours: package args builds the argument lists, package probe is the gate that every source
// passes before other work, package mp4box reads the boxes of MP4 files without any decoder, package fmp4
// those of the segments of HLS and DASH, package mp4cut copies parts of MP4 files into files of their own.
//
// An exit code of 0 proves little. A run of ffmpeg counts as a success only when it also reported
// "progress=end"; whether the outputs are whole is for the caller to verify.
//
// A program that runs a Runner calls sandbox.Main first in its main function (and in TestMain), since
// the runner starts children through the program itself.
package ffmpeg
