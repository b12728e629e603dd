// Transcoding-worker makes renditions, playlists and MP4 files. See the subcommand help.
package main

import (
	"context"
	"os"

	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/pkg/platform"
	"github.com/reelmill/reelmill/pkg/platform/command"
	"github.com/reelmill/reelmill/pkg/worker/assembly"
	transcodingworker "github.com/reelmill/reelmill/services/transcoding-worker"
)

func main() {
	sandbox.Main() // returns unless this process is to become ffmpeg
	os.Exit(command.Program[transcodingworker.Config]{Name: transcodingworker.Name, Open: open,
		Description: "Transcoding-worker of Reelmill: renditions, playlists and MP4 files."}.Main(os.Args[1:], os.Stdout, os.Stderr))
}

func open(ctx context.Context, cfg transcodingworker.Config, p *platform.Platform) (func(context.Context) error, error) {
	tools, err := ffmpeg.Find(ctx)
	if err != nil {
		return nil, err
	}
	runner, err := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err != nil {
		return nil, err
	}
	cfg.Drain = p.Drain()
	service, err := transcodingworker.New(cfg, transcodingworker.Deps{FFmpeg: runner, Deps: assembly.Deps{
		Database: p.Database, Blobs: p.Blobs, Publisher: p.Broker, Consumer: p.Broker,
		Log: p.Log, TracerProvider: p.TracerProvider(), Registerer: p.Registry}})
	if err != nil {
		return nil, err
	}
	return service.Run, nil
}
