// Thumbnail-worker makes posters, stills and storyboards. See the subcommand help.
package main

import (
	"context"
	"os"

	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/pkg/platform"
	"github.com/reelmill/reelmill/pkg/platform/command"
	"github.com/reelmill/reelmill/pkg/worker/assembly"
	thumbnailworker "github.com/reelmill/reelmill/services/thumbnail-worker"
)

func main() {
	sandbox.Main() // returns unless this process is to become ffmpeg
	os.Exit(command.Program[thumbnailworker.Config]{Name: thumbnailworker.Name, Open: open,
		Description: "Thumbnail-worker of Reelmill: posters, stills and storyboards."}.Main(os.Args[1:], os.Stdout, os.Stderr))
}

func open(ctx context.Context, cfg thumbnailworker.Config, p *platform.Platform) (func(context.Context) error, error) {
	tools, err := ffmpeg.Find(ctx)
	if err != nil {
		return nil, err
	}
	runner, err := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err != nil {
		return nil, err
	}
	cfg.Drain = p.Drain()
	service, err := thumbnailworker.New(cfg, thumbnailworker.Deps{FFmpeg: runner, Deps: assembly.Deps{
		Database: p.Database, Blobs: p.Blobs, Publisher: p.Broker, Consumer: p.Broker,
		Log: p.Log, TracerProvider: p.TracerProvider(), Registerer: p.Registry}})
	if err != nil {
		return nil, err
	}
	return service.Run, nil
}
